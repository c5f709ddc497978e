"""Files of mathematical problems: where they are, and what their rows become."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edgewise.envs.math.hub import SOURCES
from edgewise.registration import division
from edgewise.row_file import Stamp
from edgewise.rows import check_text

MAX_QUESTION = 100_000  # characters
MAX_ANSWER = 2_000
UNIT = re.compile(r"\s+|\\[,;!: ]|[$.]")


@dataclass(frozen=True)
class Problem:
    """A question with its gold answer."""

    text: str
    answer: str
    level: int = 1
    subject: str = ""


def normalise(text: str) -> str:
    """Return `text` without what copies of a data set differ in.

    >>> normalise("Find  $x$.") == normalise("find x")
    True
    """
    return UNIT.sub("", text).lower()


def data_folder(data: str | None) -> Path:
    """Return the folder of the files."""
    return Path(data or os.environ.get("EDGEWISE_DATA", "."))


class DataFolder(NamedTuple):
    """A folder of data sets as it is now, or the hub, which has no files."""

    path: str
    files: tuple[Stamp, ...]


def find_file(folder: Path, name: str) -> Path | None:
    """Return the file of this name, plain or in gzip; None if there is none."""
    paths = (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz")
    return next((path for path in paths if path.is_file()), None)


def needed_file(name: str, folder: str, file: str) -> Path:
    """Return a file; FileNotFoundError, with what to do, if it is not there."""
    path = find_file(Path(folder), file)
    if path is None:
        repo = [source.repo for source in SOURCES.get(name, {}).values()][:1]
        remedy = f", or pass data='hub' for {repo[0]} of the hub" if repo else ""
        raise FileNotFoundError(
            f"{name} needs {file}.jsonl or .jsonl.gz, and {folder} has none: pass `data`, or set "
            f"EDGEWISE_DATA, to a folder that has it{remedy}"
        )
    return path


def check_problem(problem: Problem | None) -> Problem | None:
    """Return `problem`; ValueError if one of its fields is not what it must be."""
    if problem is not None:
        check_text("the question", problem.text, MAX_QUESTION)
        check_text("the answer", problem.answer, MAX_ANSWER)
        if type(problem.level) is not int or problem.level < 1:
            raise ValueError(f"the level must be a whole number from 1, got {problem.level!r}")
        if not isinstance(problem.subject, str):
            raise ValueError(f"the subject must be a text, got {problem.subject!r}")
    return problem


def distinct(problems: Iterable[Problem | None]) -> tuple[Problem, ...]:
    """Return the problems that are not left out, the first of equal texts."""
    found: dict[str, Problem] = {}
    for problem in problems:
        if problem is not None:
            found.setdefault(normalise(problem.text), problem)
    return tuple(found.values())


def label_of(function: str, problem: Problem) -> str:
    """Return the label that a division of the user, by its registered name, gives to a problem."""
    return str(division(function)(problem))


def matches(problem: Problem, subject: str | None, function: str | None, part: str | None) -> bool:
    """Return whether a problem is of the subject, and of the part that a function makes."""
    if subject is not None and problem.subject != subject:
        return False
    return function is None or label_of(function, problem) == part
