"""Pairs of question and answer: written by a teacher, or never solved by a model.

The latter are fail@k of a profile, in two halves: SOAR, arXiv 2601.18778, keeps the problems that
fail 128 times of 128, and divides them at random into halves for training and test.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from edgewise.env import ReasoningEnv, unwrap
from edgewise.errors import shown
from edgewise.fields import build
from edgewise.files import about, numbered_jsonl, write_atomically
from edgewise.names import read_name
from edgewise.scoring import pose_named

Record = Mapping[str, Any]
HALVES = ("train", "test")
COLUMNS = ("half", "split")  # in which rows of one's own may name theirs


@dataclass(frozen=True)
class Pair:
    """A question with its reference answer and where they come from."""

    question: str
    answer: str
    step: int = -1  # the outer step that it was written in, from 1; -1 if no teacher wrote it
    dataset: int = -1  # of that step
    reward: float | None = None  # what that data set earned, if it is known


def failed(records: Iterable[Record], fail_at: int) -> list[Record]:
    """Filter records to problems that were never solved in `fail_at` or more completions.

    Raises:
        ValueError: If a problem was given fewer completions, which says less.
    """
    found = list(records)
    if few := [record for record in found if record["num_samples"] < fail_at]:
        raise ValueError(
            f"`fail_at` must be at most `num_samples`, {few[0]['num_samples']}, got {fail_at}"
        )
    return [record for record in found if record["pass_rate"] == 0]


def halves(records: Sequence[Record], seed: int) -> tuple[list[Record], list[Record]]:
    """Split records at random into halves for training and test, each in the order of `records`."""
    order = np.random.default_rng(seed).permutation(len(records))
    first = set(order[: len(records) // 2].tolist())
    parts: tuple[list[Record], list[Record]] = ([], [])
    for place, record in enumerate(records):
        parts[place not in first].append(record)
    return parts


def write_halves(path: Path, records: Sequence[Record], seed: int) -> tuple[Path, Path]:
    """Write both halves beside the profile `path`, atomically, and return their paths."""
    paths = tuple(path.with_name(f"{path.stem}-hard-{name}.jsonl") for name in HALVES)
    for target, part in zip(paths, halves(records, seed), strict=True):
        write_atomically(target, "".join(json.dumps(record) + "\n" for record in part))
    return paths[0], paths[1]


def hard_pairs(path: Path, question: str, half: str = "train") -> list[Pair]:
    """Load the hard problems that `write_halves` wrote, or one half of a file that names both.

    Args:
        path: JSON lines, each with the name of a problem, or with a question and an answer. Where the
            first has a "half" or a "split", train or test, all must have it, and one half is loaded.
        question: Template of the task's text alone, without how to answer.
        half: train or test.

    Raises:
        ValueError: If a line is neither, the problem of that name is another here, or there is none.
    """
    pairs: list[Pair] = []
    column: str | None = None
    for number, record in numbered_jsonl(path, ("question", "answer"), growing=False):
        with about(Path(f"{path}:{number}")):
            if not pairs and number == 1:
                column = next((name for name in COLUMNS if name in record), None)
            if column is not None and half_of(record, column) != half:
                continue
            answer = record["answer"]
            text = str(answer) if type(answer) in (int, float) else answer
            pair = build(Pair, {"question": record["question"], "answer": text})
            pairs.append(named(record["problem"], question) if "problem" in record else pair)
    if not pairs:
        which = "" if column is None else f" of {column} {half}"
        raise ValueError(f"`hard` must have at least one problem{which}, got none in {path}")
    return pairs


def half_of(record: Record, column: str) -> str:
    """Return the half that a row names in `column`.

    Raises:
        ValueError: If it names none.
    """
    half = record.get(column)
    if half not in HALVES:
        raise ValueError(
            f"`{column}` must be {' or '.join(HALVES)} in every row, got {shown(half)}"
        )
    return str(half)


def names_halves(path: Path) -> bool:
    """Return whether the first row of a file names a half."""
    rows = numbered_jsonl(path, ("question", "answer"), growing=False)
    return any(name in record for _, record in islice(rows, 1) for name in COLUMNS)


def named(name: Mapping[str, Any], question: str) -> Pair:
    """Return a named problem, with its text in the template `question`."""
    read = read_name(json.dumps(name))
    worded = replace(read, overrides={**read.overrides, "template": question})
    env = maker(worded.env, worded.split, json.dumps(worded.overrides, sort_keys=True))
    problem = pose_named(env, worded)
    return Pair(env.prompt(problem), env.task.solve(problem))


@lru_cache(maxsize=8)
def maker(env_id: str, split: str, overrides: str) -> ReasoningEnv:
    """Return the environment of a name, once for each preset and split."""
    return unwrap(gym.make(env_id, split=split, allow_ood=True, **json.loads(overrides)))


def save_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Write pairs as JSON lines, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(json.dumps(asdict(pair)) + "\n" for pair in pairs))


def load_pairs(path: Path) -> list[Pair]:
    """Load pairs from JSON lines of `save_pairs`, or any with question and answer.

    Raises:
        FileError: If a line is none of a pair.
    """
    found = []
    for number, row in numbered_jsonl(path, ("question", "answer"), growing=False):
        with about(Path(f"{path}:{number}")):
            given = {name: row[name] for name in Pair.__dataclass_fields__ if name in row}
            found.append(build(Pair, given))
    return found
