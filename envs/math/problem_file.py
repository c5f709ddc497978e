"""Problems of the user's own, from a file or from the hub.

Layouts for DAPO-Math-17k (Yu et al., 2025, arXiv 2503.14476), DeepScaleR (Luo et al., 2025) and
Big-Math (Albalak et al., 2025, arXiv 2502.17387); levels from measured errors as in E2H (Parashar
et al., 2025, arXiv 2506.06632).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from edgewise.envs.math.answers import names_option, read_options, unwrap
from edgewise.envs.math.data import MathDataset, current, known_texts
from edgewise.envs.math.files import (
    HUB,
    PREFIX,
    DataFolder,
    Problem,
    data_folder,
    find_file,
    load,
    matches,
    normalise,
)
from edgewise.envs.math.presets import make_presets
from edgewise.envs.math.problem_rows import Entry, Layout, read_entry
from edgewise.errors import DataError, unknown
from edgewise.grading import read_number
from edgewise.row_file import LeftOut, Stamp, Value, keep_rows, rows_of, stamped
from edgewise.rows import Located
from edgewise.task import Preset, Verdict, split_of_key

KINDS = ("expression", "number", "text", "choice")
COLUMNS = ("question", "answer", "level", "difficulty", "subject", "split", "options")
MAX_LEVELS = 1_000


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


class Loaded(NamedTuple):
    """What was read."""

    problems: tuple[Problem, ...]
    splits: tuple[str, ...]  # of each problem
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class ProblemFile(MathDataset):
    """Answer a question of your own file, or of a data set on the hub.

    A file is JSON lines, a JSON array, CSV, TSV or Parquet, as its name ends; all but the last may
    be in gzip. Name the columns, or a layout that does. Levels are a column, or else the problems
    are put into `num_levels` of equal size by a column of difficulty, such as the error rate that
    `edgewise profile` measures. The splits are made by content, or are those of `split_column`.

    A gold answer is a text, a number or a list of one of these; of a choice the letter, or the
    place from 0. A row that is none, such as one without an answer or level, is left out, with a
    warning that counts them; `left_out` says where and why. With `strict` it is refused.

    Example:
        >>> task = ProblemFile(kind="number")
        >>> task.verify(Problem("What is 2 + 2?", "4"), "4.0")
        True
        >>> task.verify(Problem("What is 2 + 2?", "4"), "2 + 2")
        False
    """

    layout: str = "plain"  # a key of LAYOUTS; the fields below that are not "" override it
    question_column: str = ""
    answer_column: str = ""
    level_column: str = ""
    difficulty_column: str = ""
    subject_column: str = ""
    split_column: str = ""
    options_column: str = ""
    level_values: tuple[Value, ...] = ()  # in the column of levels, easiest first, if no numbers
    kind: str = ""
    num_levels: int = 1
    held_out: int = 10  # per cent of the problems for validation, and as many for test
    strict: bool = False  # whether a bad row is refused

    name: ClassVar[str] = "ProblemSet-v0"
    files: ClassVar[Mapping[str, str]] = {"train": "problems"}

    def __post_init__(self) -> None:
        """Check the options, and make the ladder of `num_levels`, or of `level_values`."""
        object.__setattr__(self, "level_values", tuple(self.level_values))
        if self.level_values:
            object.__setattr__(self, "num_levels", len(self.level_values))
        if self.layout not in LAYOUTS:
            raise ValueError(unknown("layout", self.layout, LAYOUTS))
        if self.columns.kind not in KINDS:
            raise ValueError(unknown("kind", self.columns.kind, KINDS))
        if not 1 <= self.num_levels <= MAX_LEVELS:
            raise ValueError(
                f"`num_levels` must be at least 1 and at most {MAX_LEVELS}, got {self.num_levels}"
            )
        if not 0 <= self.held_out <= 50:
            raise ValueError(f"`held_out` must be in [0, 50], got {self.held_out}")
        if self.columns.level and self.difficulty_column:
            raise ValueError(
                f"`level_column` must be empty with `difficulty_column`, got {self.columns.level!r}"
            )
        if self.level_values and not self.columns.level:
            raise ValueError("`level_column` must name the column of `level_values`, got ''")
        letter = "letter" if self.columns.kind == "choice" else "boxed"
        presets: dict[str, Preset] = make_presets(self.num_levels, template=letter)
        object.__setattr__(self, "presets", presets)

    @property
    def columns(self) -> Layout:
        """Return the layout with what was overridden."""
        given = {name: getattr(self, f"{name}_column") for name in COLUMNS} | {"kind": self.kind}
        named: dict[str, Any] = {name: text for name, text in given.items() if text}
        return replace(LAYOUTS[self.layout], **named, level_values=self.level_values)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Return the rows that are left out, each with its place and the reason."""
        return load_problems(self).left_out

    def rows(self, split: str, **params: Any) -> Sequence[Problem]:
        """Return the problems of one split and level, and of a part if it is given."""
        known = current(str(data_folder(None)))
        return choose(self, source_stamp(self), known, split, **params)

    def divisions(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return one part for each subject, or for each label of a registered division."""
        if kind == "subject" and self.columns.subject:
            found = {problem.subject for problem in load_problems(self).problems}
            return [{"subject": subject} for subject in sorted(found)]
        return super().divisions(kind)

    def verify_many(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[Verdict]:
        """Return whether each answer is right, as the kind of the answers says."""
        kind = self.columns.kind
        if kind == "expression":
            return super().verify_many(problems, answers)
        if kind == "choice":
            return [
                names_option(problem.text, problem.answer, answer)
                for problem, answer in zip(problems, answers, strict=True)
            ]
        is_same = {"number": same_number, "text": same_text}[kind]
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
        """Return the number of options of a choice."""
        return len(read_options(problem.text)) or None


def same_number(gold: str, answer: str) -> bool:
    """Return whether both are the same number, exactly."""
    value = read_number(gold)
    return value is not None and read_number(answer) == value


def same_text(gold: str, answer: str) -> bool:
    """Return whether both are the same text but for case and spaces."""
    return " ".join(gold.split()).casefold() == " ".join(answer.split()).casefold()


@lru_cache
def choose(
    task: ProblemFile,
    stamp: tuple[Stamp, ...],
    folder: DataFolder,
    split: str,
    level: int,
    subject: str | None = None,
    function: str | None = None,
    part: str | None = None,
) -> tuple[Problem, ...]:
    """Return the problems of one split, level and part, in the order of the data."""
    known = known_texts(folder) if split == "train" else frozenset()
    loaded = read_problems(task, stamp)
    return tuple(
        problem
        for problem, own in zip(loaded.problems, loaded.splits, strict=True)
        if problem.level == level
        and own == split
        and normalise(problem.text) not in known
        and matches(problem, subject, function, part)
    )


def load_problems(task: ProblemFile) -> Loaded:
    """Return all problems of a task, of a file as it is now."""
    return read_problems(task, source_stamp(task))


@lru_cache
def read_problems(task: ProblemFile, stamp: tuple[Stamp, ...]) -> Loaded:
    """Read all problems, each with its level, of equal texts the first that is farthest from training.

    Args:
        task: What is read, and how.
        stamp: Of the file, by which one that changed is read anew.

    Raises:
        DataError: If no row is a problem, or with `strict` any row is none.
    """
    source, rows = open_rows(task)
    by_difficulty = bool(task.columns.difficulty) and task.num_levels > 1
    read = partial(read_entry, layout=task.columns, by_difficulty=by_difficulty)
    every, left_out = keep_rows(source, rows, read, task.strict)
    found: dict[str, Entry] = {}
    for entry in sorted(
        every, key=lambda entry: ("test", "validation", "train", "").index(entry.split)
    ):
        found.setdefault(normalise(entry.question), entry)
    entries = list(found.values())
    levels = levels_of(source, entries, task)
    problems = (
        Problem(entry.question, entry.answer, level, entry.subject)
        for entry, level in zip(entries, levels, strict=True)
    )
    splits = (entry.split or split_of_key(key, task.held_out) for key, entry in found.items())
    return Loaded(tuple(problems), tuple(splits), left_out)


def source_stamp(task: ProblemFile) -> tuple[Stamp, ...]:
    """Return the stamp of the file of a task; of none if it is a data set on the hub, or is not there."""
    if task.data is not None and task.data.startswith(HUB):
        return ()
    path = Path(task.data) if task.data else find_file(data_folder(None), "problems")
    return () if path is None or not path.is_file() else stamped([path])


def open_rows(task: ProblemFile) -> tuple[str, Iterable[Located]]:
    """Return the name of the file or of the data set on the hub, and its rows."""
    repo = task.columns.repo if task.data == HUB else (task.data or "").removeprefix(PREFIX)
    if task.data == HUB and not repo:
        raise ValueError(f"`data` must be a file or 'hub:NAME' with layout {task.layout!r}")
    if task.data == PREFIX:
        raise ValueError(f"`data` must name a data set of the hub after {PREFIX!r}, got nothing")
    if task.data is not None and task.data.startswith(HUB) and repo != task.data:
        name, _, config = repo.partition(":")
        return repo, load(name, config or None, "train")
    path = Path(task.data) if task.data else find_file(data_folder(None), "problems")
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f"ProblemSet-v0 needs a file of problems, and {path or 'problems.jsonl'} is none: pass "
            f"`data`, its path or 'hub:NAME' of a data set on the hub, or set EDGEWISE_DATA to a "
            f"folder that has problems.jsonl"
        )
    return str(path), rows_of(path)


def levels_of(source: str, entries: Sequence[Entry], task: ProblemFile) -> list[int]:
    """Return the level of each entry."""
    if task.columns.level:
        levels = [entry.level or 0 for entry in entries]
        highest = max(levels)
        if highest > task.num_levels:
            raise DataError(
                f"{entries[levels.index(highest)].place}: `num_levels` must be at least {highest}, "
                f"the largest {task.columns.level!r}, got {task.num_levels}"
            )
        return levels
    if task.num_levels == 1:
        return [1] * len(entries)
    if not task.columns.difficulty:
        raise DataError(
            f"{source}: `level_column` or `difficulty_column` must name a column for {task.num_levels} levels"
        )
    return quantile_levels(source, [entry.difficulty or 0.0 for entry in entries], task.num_levels)


def quantile_levels(source: str, values: Sequence[float], num_levels: int) -> list[int]:
    """Return which of `num_levels` parts of equal size each value is in.

    As in E2H, a value that is equal to the border of two parts is in the harder one.

    >>> quantile_levels("mine.jsonl", [0.9, 0.1, 0.5, 0.2], 2)
    [2, 1, 2, 1]
    """
    edges = np.quantile(values, np.arange(1, num_levels) / num_levels)
    levels = [1 + int(level) for level in np.digitize(values, edges)]
    if missing := set(range(1, num_levels + 1)) - set(levels):
        raise DataError(
            f"{source}: `num_levels` must be less than {num_levels}: so many problems are equally "
            f"hard that level {min(missing)} has none"
        )
    return levels
