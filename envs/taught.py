r"""Problems that a teacher wrote, each with the teacher's own answer, as an environment.

The environment of SOAR, arXiv 2601.18778: a student is paid for giving the teacher's answer, whether
or not that is the right one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgewise.errors import unknown
from edgewise.grading import equivalent_many
from edgewise.number import read_exact
from edgewise.problem_set import ProblemSet
from edgewise.task import Preset, Turn, Verdict, single

KINDS = ("number", "expression")
EXAMPLES = (("2+3", "5"), ("7-4+1", "4"))


@dataclass(frozen=True)
class Problem:
    """A question, and the answer that counts."""

    question: str
    answer: str


@dataclass(frozen=True)
class Taught(ProblemSet[Problem]):
    """Answer a question as the teacher did who wrote it.

    All splits are one: what is kept for a test is another set of problems.

    Example:
        >>> task = Taught(problems=(("2+3", "5"), ("9-9", "1")))
        >>> [pair.question for pair in task.rows("train")]
        ['2+3', '9-9']
        >>> task.verify(task.rows("train")[1], "1.0")  # as the teacher says
        True
        >>> task.verify(task.rows("train")[1], "0")
        False
    """

    problems: Sequence[Sequence[str]] = EXAMPLES  # pairs of question and answer
    kind: str = "number"  # of the answers: "number" is exact, "expression" any form of the same
    partial: float = 0.0  # credit for a wrong answer with the teacher's in its text

    presets = {"taught": Preset("{problem}", levels={1: {}}, answer="boxed")}

    def __post_init__(self) -> None:
        """Check the options."""
        if not self.problems:
            raise ValueError("`problems` must have at least one pair, got none")
        if wrong := [pair for pair in self.problems if not is_pair(pair)]:
            raise ValueError(f"`problems` must be pairs of texts, got {wrong[0]!r}")
        if self.kind not in KINDS:
            raise ValueError(unknown("kind", self.kind, KINDS))
        if not 0 <= self.partial <= 1:
            raise ValueError(f"`partial` must be in [0, 1], got {self.partial}")

    def rows(self, split: str, **params: Any) -> Sequence[Problem]:
        """Return the problems, in the order given."""
        return [Problem(question, answer) for question, answer in self.problems]

    def prompt(self, problem: Problem, template: str) -> str:
        """Put the question in its place in `template`."""
        return template.replace("{problem}", problem.question)

    def check_template(self, template: str) -> None:
        """Accept all: nothing is formatted."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        """Return whether `answer` means the teacher's."""
        return self.verify_many([problem], [answer])[0]

    def verify_many(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[Verdict]:
        """Return `verify` of each pair, all at once."""
        golds = [problem.answer for problem in problems]
        if self.kind == "expression":
            return equivalent_many(golds, answers)
        return [same_number(*pair) for pair in zip(golds, answers, strict=True)]

    def turn_many(
        self, problems: Sequence[Problem], histories: Sequence[Sequence[str]]
    ) -> list[Turn]:
        """Give `partial` credit for a wrong answer in which the teacher's occurs."""
        answers = [history[-1] for history in histories]
        verdicts = self.verify_many(problems, answers)
        return [
            single(right, 1.0 if right else self.partial * (problem.answer in answer))
            for right, problem, answer in zip(verdicts, problems, answers, strict=True)
        ]

    def credit(self, problem: Problem, answer: str) -> float | None:
        """Return 1 for a right answer, the partial credit for a wrong one, None without a verdict."""
        [turn] = self.turn_many([problem], [(answer,)])
        return None if turn.correct is None else turn.credit

    def solve(self, problem: Problem) -> str:
        """Return the teacher's answer."""
        return problem.answer

    def canonical(self, problem: Problem) -> str:
        """Return the question and answer, without the source of the pair."""
        return json.dumps([problem.question, problem.answer])


def is_pair(pair: Sequence[str]) -> bool:
    """Return whether `pair` is a question and an answer, neither empty."""
    return (
        not isinstance(pair, str)
        and len(pair) == 2
        and all(isinstance(text, str) and text.strip() for text in pair)
    )


def same_number(gold: str, answer: str) -> bool:
    """Return whether both are the same number, exactly."""
    value = read_exact(gold)
    return value is not None and read_exact(answer) == value
