"""Tasks that pose the problems in a file of the user's own, verified and solved as generated ones are."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple

from edgewise.problem_set import ProblemSet
from edgewise.row_file import (
    LeftOut,
    Stamp,
    Value,
    files_of,
    keep_rows,
    place_of,
    read_split,
    rows_of,
    split_of_place,
    stamped,
)
from edgewise.rows import Row
from edgewise.task import Preset, Problem

MAX_LEVELS = 1_000


class Posed(NamedTuple, Generic[Problem]):
    """A problem with its place among the others."""

    problem: Problem
    level: int
    split: str


class Loaded(NamedTuple, Generic[Problem]):
    """What was read."""

    posed: tuple[Posed[Problem], ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class FileTask(ProblemSet[Problem]):
    """Pose the problems of a file.

    `data` is a file (JSON lines, a JSON array, Parquet or, where no column is a list, CSV and TSV, as
    its name ends; all but Parquet also in gzip), a folder of them, or a pattern such as "sec/countdown_*.jsonl.gz"; by default
    the file `file_name` in the folder that EDGEWISE_DATA names. The splits are those of
    `split_column`; without one a file whose name says train, validation or test is that split, and
    the problems of other files are told apart by content. A problem that is in two splits stays in
    the one that is farther from training.

    A row that is no problem is left out, with a warning that counts them; `left_out` says where and
    why. With `strict` it is refused.
    """

    data: str | None = None
    level_column: str = ""  # of levels from 1 to `num_levels`, or of `level_values`
    level_values: tuple[Value, ...] = ()  # what the column has, easiest first, if no such numbers
    num_levels: int = 1
    split_column: str = ""
    strict: bool = False  # whether a bad row is refused

    name: ClassVar[str]  # of the environment
    file_name: ClassVar[str]  # in the folder that EDGEWISE_DATA names

    draft = ProblemSet.draft  # none, whatever the task that is inherited from drafts

    def __post_init__(self) -> None:
        """Check the options, and make the ladder of each preset."""
        object.__setattr__(self, "level_values", tuple(self.level_values))
        if self.level_values and not self.level_column:
            raise ValueError("`level_column` must name the column of `level_values`, got ''")
        num_levels = len(self.level_values) or self.num_levels
        if not 1 <= num_levels <= MAX_LEVELS:
            raise ValueError(
                f"`num_levels` must be at least 1 and at most {MAX_LEVELS}, got {num_levels}"
            )
        levels = {level: {"level": level} for level in range(1, num_levels + 1)}
        presets: dict[str, Preset] = {
            name: replace(preset, levels=levels, ood=())
            for name, preset in type(self).presets.items()
        }
        object.__setattr__(self, "presets", presets)

    @abstractmethod
    def read_row(self, row: Row) -> Problem:
        """Return the problem of a row; ValueError, KeyError or TypeError if it has none."""

    def level_of(self, problem: Problem) -> int:
        """Return the level of a problem where no column has it."""
        return 1

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Return the rows that are left out, each with its place and the reason."""
        return load(self, stamped(needed_files(self))).left_out

    def rows(self, split: str, **params: Any) -> Sequence[Problem]:
        """Return the problems of one split and level, in the order of the files."""
        return choose(self, stamped(needed_files(self)), split, **params)

    def levels_of(self, split: str, levels: Mapping[int, Mapping[str, Any]]) -> tuple[int, ...]:
        """Return the levels that have a problem; all if none has, or there is no file yet."""
        try:
            filled = [level for level, params in levels.items() if self.rows(split, **params)]
        except FileNotFoundError:  # told when a problem is drawn
            filled = []
        return tuple(filled or levels)

    def divisions(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Refuse: the rows have no parts."""
        raise ValueError(f"`arms` must be None or a list for {self.name}, got {kind!r}")


@lru_cache
def choose(
    task: FileTask[Problem], files: tuple[Stamp, ...], split: str, level: int
) -> tuple[Problem, ...]:
    """Return the problems of one split and level."""
    return tuple(
        posed.problem
        for posed in load(task, files).posed
        if posed.split == split and posed.level == level
    )


@lru_cache
def load(task: FileTask[Problem], files: tuple[Stamp, ...]) -> Loaded[Problem]:
    """Read all problems, of equal ones the first of the split that is farthest from training.

    Raises:
        DataError: If no row is a problem, or with `strict` any row is none.
    """
    rows = chain.from_iterable(rows_of(file.path) for file in files)
    source = task.data or str(files[0].path)
    found, left_out = keep_rows(source, rows, partial(read_posed, task), task.strict)
    kept: dict[str, Posed[Problem]] = {}
    for split in ("test", "validation", "train"):
        for posed in found:
            if posed.split == split:
                kept.setdefault(task.canonical(posed.problem), posed)
    first = set(map(id, kept.values()))
    return Loaded(tuple(posed for posed in found if id(posed) in first), left_out)


def needed_files(task: FileTask[Any]) -> tuple[Path, ...]:
    """Return the files of a task; FileNotFoundError, with what to do, if there is none."""
    if task.data:
        files = files_of(task.data)
    else:
        path = Path(os.environ.get("EDGEWISE_DATA", ".")) / task.file_name
        files = [path] if path.is_file() else []
    if not files:
        raise FileNotFoundError(
            f"{task.name} needs a file of problems, and {task.data or path} is none: pass `data`, its "
            f"path, or set EDGEWISE_DATA to a folder that has {task.file_name}"
        )
    return tuple(files)


def read_posed(task: FileTask[Problem], place: str, row: Row) -> Posed[Problem]:
    """Return the problem of a row, with its level and split; ValueError if it has none."""
    try:
        problem = task.read_row(row)
    except KeyError as error:
        columns = ", ".join(map(str, list(row)[:20]))
        raise ValueError(f"must have a column {error}, got {columns}") from None
    except (TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"must be in the layout of {task.name}: {error}") from error
    if task.split_column:
        split: str | None = read_split(pick(row, task.split_column, "split_column"))
    else:
        split = split_of_place(place)
    level = read_level(task, row) if task.level_column else task.level_of(problem)
    return Posed(problem, level, split or task.split_of(problem))


def pick(row: Row, column: str, option: str) -> Any:
    """Return what is in a column; ValueError if there is no such column."""
    if column not in row:
        names = ", ".join(str(name)[:40] for name in list(row)[:20])
        raise ValueError(f"`{option}` must name a column, got {column!r}; the columns are {names}")
    return row[column]


def read_level(task: FileTask[Any], row: Row) -> int:
    """Return the level in the column of levels: a number, or the place of a known value."""
    numbers = range(1, task.num_levels + 1)
    return place_of(pick(row, task.level_column, "level_column"), task.level_values or numbers)
