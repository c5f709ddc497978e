r"""Judge a teacher's problems: are they well posed, are the answers right, and how different are they.

The first two by the reference solver, where a task can read its own problems (`Task.parse`), else by a judge, a
model that is asked for the JSON that arXiv 2601.18778 asked of its judge; greedily.

The last by the Vendi score, the effective number of different problems in a set: Friedman and Dieng
(2023), "The Vendi Score", arXiv 2210.02410. With K_ij the cosine similarity of the embeddings of n texts,
and lambda_i the eigenvalues of K / n,

    VS = exp(-sum_i lambda_i log lambda_i),

which is 1 if all texts are the same and n if no two have anything in common.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from torch import Generator

from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.options import Precision, Sampling
from edgewise.agents.policies.policy import Sampler
from edgewise.agents.soar.pairs import Pair
from edgewise.env import unwrap
from edgewise.frame import Frame, Render
from edgewise.task import Task, Unsolvable

ERRORS = ("None", "Arithmetic", "Logical_Fallacy", "Ill_Posed", "Ambiguous")
MAX_VERDICT = 4_000  # characters after the reasoning, from the end
OPENING = re.compile(r"\{")
ESCAPE = re.compile(r'\\(["\\/bfnrt]|u[0-9a-fA-F]{4})?')  # of JSON, or a backslash that is none
JUDGE_SAMPLING = Sampling(max_tokens=1024, temperature=0.0)
JUDGE_BATCH = 64
JUDGE_PROMPT = """Judge a mathematical problem and the answer that was given to it.

Problem: {question}
Answer: {answer}

First reason within <think> and </think>. Is the problem well posed, so that it has exactly one answer and can be solved? Is the given answer right? Then write one line of JSON:
{{"is_correct": true or false, "is_well_posed": true or false, "error_type": one of "None", "Arithmetic", "Logical_Fallacy", "Ill_Posed", "Ambiguous", "verified_answer": "the right answer"}}
"""
Quality = Callable[[Sequence[Pair]], "list[Verdict | None]"]
Floats = NDArray[np.float64]
Embed = Callable[[Sequence[str]], Floats]  # texts to vectors, (n, size)
NUM_BUCKETS = 1_024
SIZES = (1, 2, 3)  # of the n-grams


@dataclass(frozen=True)
class Verdict:
    """The judgement of one problem."""

    well_posed: bool
    correct: bool  # never of a problem that is not well posed
    error: str = "None"


def quality_of(
    env_id: str, agent: str | None = None, dtype: Precision = "float32", device: str = "cpu"
) -> Quality | None:
    """Return a judge for a domain: its solver, else the model `agent`, else None.

    Raises:
        ValueError: If there is no such model.
    """
    task = unwrap(gym.make(env_id, requires=None)).task
    if type(task).parse is not Task.parse:
        return lambda pairs: [verdict_of(task, pair) for pair in pairs]
    if agent is None:
        return None
    policy = load_policy(agent, dtype, device)
    return lambda pairs: judge(policy, pairs, JUDGE_SAMPLING, Generator(), policy.render)


def verdict_of(task: Task[Any], pair: Pair) -> Verdict | None:
    """Judge a pair with the reference solver of `task`, None if its worker is lost; never raises."""
    problem = task.parse(pair.question, pair.answer)
    if problem is None:
        return Verdict(False, False, "Ill_Posed")
    try:
        task.solve(problem)
    except Unsolvable:
        return Verdict(False, False, "Ill_Posed")
    correct = task.verify(problem, pair.answer)
    if correct is None:
        return None
    return Verdict(True, correct, "None" if correct else "Arithmetic")


def judge(
    policy: Sampler,
    pairs: Sequence[Pair],
    sampling: Sampling,
    generator: Generator,
    render: Render | None = None,
) -> list[Verdict | None]:
    """Ask a model about each pair, in a chat; None where its reply has no verdict."""
    asked = [JUDGE_PROMPT.format(question=pair.question, answer=pair.answer) for pair in pairs]
    prompts = [Frame(chat=True).text(text, render) for text in asked]
    verdicts: list[Verdict | None] = []
    for first in range(0, len(prompts), JUDGE_BATCH):
        part = prompts[first : first + JUDGE_BATCH]
        verdicts += map(read_verdict, policy.generate(part, sampling, generator).texts)
    return verdicts


def read_verdict(text: str) -> Verdict | None:
    """Return the last verdict after the reasoning, None if there is none.

    Backslashes of LaTeX, which are no escapes of JSON, stand for themselves.
    """
    said = text.rpartition("</think>")[2][-MAX_VERDICT:]
    said = ESCAPE.sub(lambda found: found[0] if found[1] else r"\\", said)
    found: dict[str, Any] | None = None
    for start in (place.start() for place in OPENING.finditer(said)):
        try:
            read = json.JSONDecoder().raw_decode(said, start)[0]
        except (ValueError, RecursionError):
            continue
        found = read if {"is_well_posed", "is_correct"} <= set(read) else found
    if found is None:
        return None
    well_posed, correct = found["is_well_posed"], found["is_correct"]
    error = found.get("error_type", "None")
    if not isinstance(well_posed, bool) or not isinstance(correct, bool) or error not in ERRORS:
        return None
    return Verdict(well_posed, well_posed and correct, error)


def rates(verdicts: Sequence[Verdict | None]) -> dict[str, float]:
    """Return the rates of well-posed and correct problems and of each error, among those judged."""
    known = [verdict for verdict in verdicts if verdict is not None]
    errors = Counter(verdict.error for verdict in known)
    count = max(len(known), 1)
    return {
        "num_judged": len(known),
        "well_posed": sum(verdict.well_posed for verdict in known) / count,
        "correct": sum(verdict.correct for verdict in known) / count,
        **{f"error/{name}": errors[name] / count for name in ERRORS[1:]},
    }


def character_ngrams(texts: Sequence[str]) -> Floats:
    """Return the counts of the 1-, 2- and 3-grams of each text, hashed, (n, 1024).

    They need no model, and are the same on every machine. Scores of different embeddings cannot be
    compared.
    """
    counts = np.zeros((len(texts), NUM_BUCKETS))
    for row, text in enumerate(texts):
        marked = f"\x02{text}\x03".encode("utf-8", "backslashreplace")
        for size in SIZES:
            for start in range(len(marked) - size + 1):
                counts[row, zlib.crc32(marked[start : start + size]) % NUM_BUCKETS] += 1
    return counts


def vendi_score(texts: Sequence[str], embed: Embed = character_ngrams) -> float:
    """Return the effective number of different texts, between 1 and their number.

    >>> round(vendi_score(["1+1"] * 5), 6)
    1.0

    Raises:
        ValueError: If there is no text, or an embedding is 0 or not finite.
    """
    if not texts:
        raise ValueError("`texts` must have at least one text, got none")
    vectors = np.asarray(embed(texts), dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(vectors).all() and (lengths > 0).all()):
        raise ValueError("`embed` must give vectors that are finite and not 0")
    spectrum = np.linalg.svd(vectors / lengths, compute_uv=False) ** 2 / len(texts)
    known = spectrum[spectrum > 0]
    return float(np.exp(-(known * np.log(known)).sum()))


def vendi_bootstrap(
    texts: Sequence[str],
    rng: np.random.Generator,
    size: int = 128,
    num_draws: int = 100,
    embed: Embed = character_ngrams,
) -> tuple[float, float]:
    """Return mean and deviation of the score over subsets of `size`, drawn without replacement.

    SOAR, arXiv 2601.18778, takes 100 subsets of 128 questions; so many make sets of different sizes
    comparable.
    """
    size = min(size, len(texts))
    draws = [rng.choice(len(texts), size, replace=False).tolist() for _ in range(num_draws)]
    scores = [vendi_score([texts[row] for row in rows], embed) for rows in draws]
    return float(np.mean(scores)), float(np.std(scores))
