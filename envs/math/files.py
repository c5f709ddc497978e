"""Files of mathematical problems: where they are, here or on the hub, and what their rows become."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edgewise.answer import extract_answer
from edgewise.errors import DataError
from edgewise.registration import division, require
from edgewise.row_file import Stamp
from edgewise.rows import Located, Row, check_text

HUB = "hub"  # as `data`: read from there
PREFIX = "hub:"  # of `data`: the name on the hub follows, and after another colon the configuration
LETTER = re.compile(r"\s*\(?([A-Z])\s*[).:]\s*(.*)", re.DOTALL)
MATH_CONFIGS = (
    "algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory",
    "prealgebra", "precalculus",
)  # fmt: skip
MAX_QUESTION = 100_000  # characters
MAX_ANSWER = 2_000
UNIT = re.compile(r"\s+|\\[,;!: ]|[$.]")


@dataclass(frozen=True)
class Source:
    """A data set on the hub."""

    repo: str
    split: str
    read: Callable[[Row], Row]  # a row as it would stand in a local file
    configs: tuple[str | None, ...] = (None,)


def read_math(row: Row) -> Row:
    """Take the answer out of the solution, and the number out of the level."""
    level = re.findall(r"\d", row["level"])
    return {
        "problem": row["problem"],
        "answer": extract_answer(row["solution"], "boxed") or "",
        "level": int(level[0]) if level else None,
        "subject": row["type"],
    }


def read_gsm8k(row: Row) -> Row:
    """Take the number after the last mark, and count the calculations."""
    return {
        "problem": row["question"],
        "answer": row["answer"].rsplit("####", 1)[-1].strip().replace(",", ""),
        "n_steps": row["answer"].count("<<"),
    }


def read_aqua(row: Row) -> Row:
    """Take the options apart."""
    options = [LETTER.fullmatch(option) for option in row["options"]]
    texts = {option[1]: option[2] for option in options if option is not None}
    return {"problem": row["question"], "options": texts, "answer": row["correct"]}


def read_contest(row: Row) -> Row:
    """Write a whole number as such, and take either name of the question."""
    answer = row["answer"]
    whole = isinstance(answer, float) and answer.is_integer()
    question = row["problem"] if "problem" in row else row["question"]
    return {
        "problem": question,
        "answer": str(int(answer) if whole else answer),
        "in_qwen_amc23_40": True,
    }


def read_olympiad(row: Row) -> Row:
    """Take the first of the final answers, which holds all values."""
    return {
        "problem": row["question"],
        "answer": row["final_answer"][0],
        "subject": row["subfield"],
    }


def same(row: Row) -> Row:
    """Return the row, which is in our layout."""
    return row


SOURCES: Mapping[str, Mapping[str, Source]] = {  # of each environment and split
    "MATH-v0": {
        split: Source("EleutherAI/hendrycks_math", split, read_math, MATH_CONFIGS)
        for split in ("train", "test")
    },
    "MATH500-v0": {"test": Source("HuggingFaceH4/MATH-500", "test", same)},
    "GSM8K-v0": {
        split: Source("openai/gsm8k", split, read_gsm8k, ("main",)) for split in ("train", "test")
    },
    "AQuA-v0": {
        split: Source("deepmind/aqua_rat", split, read_aqua, ("raw",))
        for split in ("validation", "test")
    },
    "AIME24-v0": {"test": Source("HuggingFaceH4/aime_2024", "train", read_contest)},
    "AIME25-v0": {"test": Source("math-ai/aime25", "test", read_contest)},
    "AMC-v0": {"test": Source("AI-MO/aimo-validation-amc", "train", read_contest)},
    "AMC23-v0": {"test": Source("math-ai/amc23", "test", read_contest)},
    "OlympiadBench-v0": {
        "test": Source("Hothan/OlympiadBench", "train", read_olympiad, ("OE_TO_maths_en_COMP",))
    },
    "MinervaMath-v0": {"test": Source("math-ai/minervamath", "test", read_contest)},
}


def rows_of(source: Source) -> Iterator[Located]:
    """Yield the rows of a source, as they are on the hub."""
    for config in source.configs:
        yield from load(source.repo, config, source.split)


def load(repo: str, config: str | None, split: str) -> Iterator[Located]:
    """Yield the rows of a data set on the hub, or in a folder of that name.

    Raises:
        FileNotFoundError: If there is none, or the hub cannot be reached.
        DataError: If it cannot be read as a data set.
    """
    require("data")
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    place = f"{repo} ({config or 'default'}, {split})"
    try:
        found = load_dataset(repo, config, split=split)
    except OSError as error:
        raise FileNotFoundError(
            f"{place} cannot be had from the hub: check the name and the connection, or download it "
            f"and pass the folder or file as `data` ({type(error).__name__}: {error})"
        ) from error
    except (DatasetsError, ValueError) as error:
        raise DataError(f"{place}: must be a data set that can be read, got {error}") from error
    yield from (Located(f"{place}, row {i}", row) for i, row in enumerate(found, start=1))


def source_of(name: str, split: str) -> Source:
    """Return where a data set is on the hub."""
    if name not in SOURCES:
        raise ValueError(f"`data` must be a folder for {name}, which is not on the hub")
    return SOURCES[name][split]


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
