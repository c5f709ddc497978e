"""Problems of the user's own, from a file or from the hub.

Layouts for DAPO-Math-17k (Yu et al., 2025, arXiv 2503.14476), DeepScaleR (Luo et al., 2025) and
Big-Math (Albalak et al., 2025, arXiv 2502.17387); levels from measured errors as in E2H (Parashar
et al., 2025, arXiv 2506.06632).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgewise.envs.math_data import MathDataset, known_texts, unwrap
from edgewise.envs.math_files import Problem, data_folder, find_file, matches, normalise, read_lines
from edgewise.envs.math_hub import HUB, PREFIX, Row, load, load_parquet
from edgewise.envs.math_presets import make_presets
from edgewise.errors import unknown
from edgewise.grading import read_number
from edgewise.task import Preset, split_of_key

KINDS = ("expression", "number", "text", "choice")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Layout:
    """Which column holds what; `a.0.b` is b of the first of a."""

    question: str = "question"
    answer: str = "answer"
    level: str = ""  # a number from 1, perhaps after a word
    difficulty: str = ""  # a number that is larger for harder problems; -x if it is smaller
    subject: str = ""
    options: str = ""  # of a choice: a list of texts, or texts by letter
    kind: str = "expression"  # of the answers
    around: str = ""  # a regular expression of what stands around the question and is cut off
    repo: str = ""  # on the hub


LAYOUTS: Mapping[str, Layout] = {
    "plain": Layout(),
    "dapo-math-17k": Layout(
        question="prompt.0.content",
        answer="reward_model.ground_truth",
        around=r"^Solve the following math problem step by step\. .*?\n\n|"
        r"\n\nRemember to put your answer on its own line after \"Answer:\"\.\s*$",
        repo="BytedTsinghua-SIA/DAPO-Math-17k",
    ),
    "deepscaler": Layout(question="problem", repo="agentica-org/DeepScaleR-Preview-Dataset"),
    "big-math": Layout(
        question="problem",
        difficulty="-llama8b_solve_rate",
        subject="source",
        repo="SynthLabsAI/Big-Math-RL-Verified",
    ),
}


@dataclass(frozen=True)
class ProblemFile(MathDataset):
    """Answer a question of your own JSON lines, or of a data set on the hub.

    Name the columns, or a layout that does. Levels are a column, or else the problems are put into
    `num_levels` of equal size by a column of difficulty, such as the error rate that `edgewise
    profile` measures. The splits are made by content.

    Example:
        >>> task = ProblemFile(kind="number")
        >>> task.verify(Problem("What is 2 + 2?", "4"), "4.0")
        True
        >>> task.verify(Problem("What is 2 + 2?", "4"), "2 + 2")
        False
    """

    layout: str = "plain"  # a key of LAYOUTS; the fields below that are not "" override it
    question: str = ""
    answer: str = ""
    level: str = ""
    difficulty: str = ""
    subject: str = ""
    options: str = ""
    kind: str = ""
    num_levels: int = 1
    held_out: int = 10  # per cent of the problems for validation, and as many for test

    name: ClassVar[str] = "ProblemSet-v0"
    files: ClassVar[Mapping[str, str]] = {"train": "problems"}

    def __post_init__(self) -> None:
        """Check the options, and make the ladder of `num_levels`."""
        if self.layout not in LAYOUTS:
            raise ValueError(unknown("layout", self.layout, LAYOUTS))
        if self.columns.kind not in KINDS:
            raise ValueError(unknown("kind", self.columns.kind, KINDS))
        if self.num_levels < 1:
            raise ValueError(f"`num_levels` must be at least 1, got {self.num_levels}")
        if not 0 <= self.held_out <= 50:
            raise ValueError(f"`held_out` must be in [0, 50], got {self.held_out}")
        if self.columns.level and self.difficulty:
            raise ValueError(f"`level` must be empty with `difficulty`, got {self.level!r}")
        letter = "letter" if self.columns.kind == "choice" else "boxed"
        presets: dict[str, Preset] = make_presets(self.num_levels, template=letter)
        object.__setattr__(self, "presets", presets)

    @property
    def columns(self) -> Layout:
        """Return the layout with what was overridden."""
        given = {field.name: getattr(self, field.name, "") for field in fields(Layout)}
        return replace(LAYOUTS[self.layout], **{name: text for name, text in given.items() if text})

    def rows(self, split: str, **params: Any) -> Sequence[Problem]:
        """Return the problems of one split and level, and of a part if it is given."""
        return choose(self, split, **params)

    def divisions(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return one part for each subject, or for each label of a function, "module:name"."""
        if kind == "subject" and self.columns.subject:
            found = {problem.subject for problem in read_problems(self)}
            return [{"subject": subject} for subject in sorted(found)]
        return super().divisions(kind)

    def verify_many(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[bool]:
        """Return whether each answer is right, as the kind of the answers says."""
        kind = self.columns.kind
        if kind == "expression":
            return super().verify_many(problems, answers)
        is_same = {"number": same_number, "text": same_text, "choice": same_letter}[kind]
        return [
            is_same(problem.answer, unwrap(answer[:2_000]))
            for problem, answer in zip(problems, answers, strict=True)
        ]

    def anticipate(self, problem: Problem, answer: str) -> None:
        """Let a worker begin with an expression; the other kinds are compared at once."""
        if self.columns.kind == "expression":
            super().anticipate(problem, answer)

    def notes(self, problem: Problem) -> Mapping[str, str]:
        """Say so if an expression is compared as a text."""
        return super().notes(problem) if self.columns.kind == "expression" else {}

    def num_answers(self, problem: Problem) -> int | None:
        """Return how many options a choice has."""
        return len(re.findall(r"^[A-Z]\) ", problem.text, re.MULTILINE)) or None


def same_number(gold: str, answer: str) -> bool:
    """Return whether both are the same number, exactly."""
    value = read_number(gold)
    return value is not None and read_number(answer) == value


def same_text(gold: str, answer: str) -> bool:
    """Return whether both are the same text but for case and spaces."""
    return " ".join(gold.split()).casefold() == " ".join(answer.split()).casefold()


def same_letter(gold: str, answer: str) -> bool:
    """Return whether both are the same letter, as in C, (c) or C)."""
    return answer[:100].strip(" ().").upper() == gold


@lru_cache
def choose(
    task: ProblemFile,
    split: str,
    level: int,
    subject: str | None = None,
    function: str | None = None,
    part: str | None = None,
) -> tuple[Problem, ...]:
    """Return the problems of one split, level and part, in the order of the data."""
    known = known_texts(str(data_folder(None))) if split == "train" else frozenset()
    return tuple(
        problem
        for problem in read_problems(task)
        if problem.level == level
        and split_of_key(key := normalise(problem.text), task.held_out) == split
        and key not in known
        and matches(problem, subject, function, part)
    )


@lru_cache
def read_problems(task: ProblemFile) -> tuple[Problem, ...]:
    """Return all problems, the first of equal texts, each with its level."""
    columns, found = task.columns, dict[str, tuple[Row, str]]()
    for row in raw_rows(task):
        question = text_of(row, columns)
        if question.strip() and str(pick(row, columns.answer) or "").strip():
            found.setdefault(normalise(question), (row, question))
    levels = levels_of([row for row, _ in found.values()], columns, task.num_levels)
    return tuple(
        Problem(question, answer_of(row, columns), level, subject_of(row, columns))
        for (row, question), level in zip(found.values(), levels, strict=True)
        if level
    )


def raw_rows(task: ProblemFile) -> Iterable[Row]:
    """Return the rows of the file or of the data set on the hub."""
    repo = task.columns.repo if task.data == HUB else (task.data or "").removeprefix(PREFIX)
    if task.data == HUB and not repo:
        raise ValueError(f"`data` must be a file or 'hub:NAME' with layout {task.layout!r}")
    if task.data is not None and task.data.startswith(HUB) and repo != task.data:
        name, _, config = repo.partition(":")
        return load(name, config or None, "train")
    path = Path(task.data) if task.data else find_file(data_folder(None), "problems")
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f"ProblemSet-v0 needs a file of JSON lines, and {path or 'problems.jsonl'} is none: pass "
            f"`data`, its path or 'hub:NAME' of a data set on the hub, or set EDGEWISE_DATA to a "
            f"folder that has problems.jsonl"
        )
    return load_parquet(path) if path.suffix == ".parquet" else read_lines(path)


def pick(row: Row, path: str) -> Any:
    """Return what stands in a column; ValueError if there is no such column."""
    found: Any = row
    for name in path.split("."):
        try:
            found = found[int(name) if isinstance(found, list) else name]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ValueError(
                f"`data` must have a column {path!r}, got {', '.join(map(str, row))}"
            ) from None
    return found


def text_of(row: Row, columns: Layout) -> str:
    """Return the question, with its options below."""
    text = str(pick(row, columns.question))
    if columns.around:
        text = re.sub(columns.around, "", text, flags=re.DOTALL)
    if not columns.options:
        return text
    options = pick(row, columns.options)
    named = options if isinstance(options, dict) else dict(zip(LETTERS, options, strict=False))
    return "\n".join([text, *(f"{letter}) {option}" for letter, option in named.items())])


def answer_of(row: Row, columns: Layout) -> str:
    """Return the gold answer; of a choice the letter, also where the data has its place."""
    answer = pick(row, columns.answer)
    if columns.kind == "choice" and isinstance(answer, int):
        return LETTERS[answer]
    return str(answer).strip()


def subject_of(row: Row, columns: Layout) -> str:
    """Return the subject, "" if there is no such column."""
    return str(pick(row, columns.subject)) if columns.subject else ""


def levels_of(rows: Sequence[Row], columns: Layout, num_levels: int) -> list[int]:
    """Return the level of each row, 0 where the data says nothing of it."""
    if columns.level:
        digits = [re.search(r"\d+", str(pick(row, columns.level))) for row in rows]
        levels = [int(found[0]) if found else 0 for found in digits]
        if max(levels, default=0) > num_levels:
            raise ValueError(
                f"`num_levels` must be at least {max(levels)}, the largest {columns.level!r} in the "
                f"data, got {num_levels}"
            )
        return levels
    if columns.difficulty and num_levels > 1:
        column, sign = columns.difficulty.removeprefix("-"), columns.difficulty.startswith("-")
        values = [pick(row, column) for row in rows]
        return quantile_levels(
            [None if v is None else -v if sign else v for v in values], num_levels
        )
    if num_levels > 1:
        raise ValueError(f"`level` or `difficulty` must name a column for {num_levels} levels")
    return [1] * len(rows)


def quantile_levels(values: Sequence[float | None], num_levels: int) -> list[int]:
    """Return which of `num_levels` parts of equal size each value is in; 0 for None.

    As in E2H, a value that is equal to the border of two parts is in the harder one.

    >>> quantile_levels([0.9, 0.1, None, 0.5, 0.2], 2)
    [2, 1, 0, 2, 1]
    """
    known = [value for value in values if value is not None]
    if not known:
        return [0] * len(values)
    edges = np.quantile(known, np.arange(1, num_levels) / num_levels)
    levels = [0 if value is None else 1 + int(np.digitize(value, edges)) for value in values]
    if missing := set(range(1, num_levels + 1)) - set(levels):
        raise ValueError(
            f"`num_levels` must be less than {num_levels}: so many problems are equally hard that "
            f"level {min(missing)} has none"
        )
    return levels
