r"""Whether the problems of a teacher make sense, and whether its answers are right.

By the reference solver, where a task can read its own problems (`Task.parse`), else by a judge, a
model that is asked for the JSON that arXiv 2601.18778 asked of its judge.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Generator

from edgewise.agents.policy import Sampler, Sampling
from edgewise.task import Task, Unsolvable
from edgewise.wrappers.taught import Pair

ERRORS = ("None", "Arithmetic", "Logical_Fallacy", "Ill_Posed", "Ambiguous")
MAX_VERDICT = 4_000  # characters of JSON
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


def verdict_of(task: Task[Any], pair: Pair) -> Verdict:
    """Return what the reference solver of `task` says; never raises."""
    problem = task.parse(pair.question, pair.answer)
    if problem is None:
        return Verdict(False, False, "Ill_Posed")
    try:
        task.solve(problem)
    except Unsolvable:
        return Verdict(False, False, "Ill_Posed")
    correct = task.verify(problem, pair.answer)
    return Verdict(True, correct, "None" if correct else "Arithmetic")


def judge(
    policy: Sampler, pairs: Sequence[Pair], sampling: Sampling, generator: Generator
) -> list[Verdict | None]:
    """Ask a model about each pair; None where its reply is no verdict."""
    prompts = [JUDGE_PROMPT.format(question=pair.question, answer=pair.answer) for pair in pairs]
    return [read_verdict(text) for text in policy.generate(prompts, sampling, generator).texts]


def read_verdict(text: str) -> Verdict | None:
    """Return the verdict in the last braces after the reasoning, None if there is none."""
    said = text.rpartition("</think>")[2]
    start, end = said.rfind("{"), said.rfind("}")
    if start < 0 or not start < end <= start + MAX_VERDICT:
        return None
    try:
        found = json.loads(said[start : end + 1])
        well_posed, correct = found["is_well_posed"], found["is_correct"]
        error = found.get("error_type", "None")
    except (ValueError, KeyError, RecursionError):
        return None
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
