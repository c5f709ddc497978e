r"""Whether the problems of a teacher make sense, and whether its answers are right.

By the reference solver, where a task can read its own problems (`Task.parse`), else by a judge, a
model that is asked for the JSON that arXiv 2601.18778 asked of its judge; greedily.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
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


@dataclass(frozen=True)
class Verdict:
    """What is said of one problem."""

    well_posed: bool
    correct: bool  # never of a problem that is not well posed
    error: str = "None"


Quality = Callable[[Sequence[Pair]], "list[Verdict | None]"]


def quality_of(
    env_id: str, agent: str | None = None, dtype: Precision = "float32", device: str = "cpu"
) -> Quality | None:
    """Return what judges problems of a domain: its solver, else the model `agent`, None if neither.

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
    """Return what the reference solver of `task` says, None if it is lost; never raises."""
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
    """Ask a model about each pair, as its user in a chat; None where its reply is no verdict."""
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
    """Return the shares of what is well posed, correct and of each error, among the judged ones."""
    known = [verdict for verdict in verdicts if verdict is not None]
    errors = Counter(verdict.error for verdict in known)
    count = max(len(known), 1)
    return {
        "num_judged": len(known),
        "well_posed": sum(verdict.well_posed for verdict in known) / count,
        "correct": sum(verdict.correct for verdict in known) / count,
        **{f"error/{name}": errors[name] / count for name in ERRORS[1:]},
    }
