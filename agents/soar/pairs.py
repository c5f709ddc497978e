"""Questions with the answers that count: what a teacher wrote, or what an agent never solves.

The latter are fail@k of a profile, in two halves: SOAR, arXiv 2601.18778, keeps the problems that
fail 128 times of 128, and divides them at random into halves for training and test.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from edgewise.env import ReasoningEnv, unwrap
from edgewise.fields import build
from edgewise.files import about, numbered_jsonl, write_atomically
from edgewise.names import read_name
from edgewise.posing import pose_named

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """A question and the answer that counts, with where they come from."""

    question: str
    answer: str
    step: int = -1  # the outer step that it was written in, from 1; -1 if no teacher wrote it
    dataset: int = -1  # of that step
    reward: float | None = None  # what that data set earned, if it is known


def failed(records: Iterable[Record], fail_at: int) -> list[Record]:
    """Return the records of problems that were never solved in `fail_at` completions or more.

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
    """Return a random half for training and the other for test, each in the given order."""
    order = np.random.default_rng(seed).permutation(len(records))
    first = set(order[: len(records) // 2].tolist())
    parts: tuple[list[Record], list[Record]] = ([], [])
    for place, record in enumerate(records):
        parts[place not in first].append(record)
    return parts


def write_halves(path: Path, records: Sequence[Record], seed: int) -> tuple[Path, Path]:
    """Write both halves beside the profile `path`, each whole or not at all, and return where."""
    paths = tuple(path.with_name(f"{path.stem}-hard-{name}.jsonl") for name in ("train", "test"))
    for target, part in zip(paths, halves(records, seed), strict=True):
        write_atomically(target, "".join(json.dumps(record) + "\n" for record in part))
    return paths[0], paths[1]


def hard_pairs(path: Path, question: str) -> list[Pair]:
    """Return the problems of a file of `write_halves` as a teacher would have written them.

    Args:
        path: JSON lines, each with the name of a problem, or with a question and an answer.
        question: Template of the task's text alone, without how to answer.

    Raises:
        ValueError: If a line is neither, the problem of that name is another here, or there is none.
    """
    pairs = []
    for number, record in numbered_jsonl(path, ("question", "answer"), growing=False):
        with about(Path(f"{path}:{number}")):
            answer = record["answer"]
            text = str(answer) if type(answer) in (int, float) else answer
            pair = build(Pair, {"question": record["question"], "answer": text})
            pairs.append(named(record["problem"], question) if "problem" in record else pair)
    if not pairs:
        raise ValueError(f"`hard` must have at least one problem, got none in {path}")
    return pairs


def named(name: Mapping[str, Any], question: str) -> Pair:
    """Return the problem of that name, its text in the template `question`."""
    read = read_name(json.dumps(name))
    worded = replace(read, overrides={**read.overrides, "template": question})
    env = maker(worded.env, worded.split, json.dumps(worded.overrides, sort_keys=True))
    problem = pose_named(env, worded)
    return Pair(env.prompt(problem), env.task.solve(problem))


@lru_cache(maxsize=8)
def maker(env_id: str, split: str, overrides: str) -> ReasoningEnv:
    """Return the environment that poses what these, which `read_name` checked, name."""
    return unwrap(gym.make(env_id, split=split, allow_ood=True, **json.loads(overrides)))


def save_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Write JSON lines with where each pair comes from, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(json.dumps(asdict(pair)) + "\n" for pair in pairs))


def load_pairs(path: Path) -> list[Pair]:
    """Return the pairs in a file of JSON lines, `save_pairs`'s or any with question and answer.

    Raises:
        FileError: If a line is none of a pair.
    """
    found = []
    for number, row in numbered_jsonl(path, ("question", "answer"), growing=False):
        with about(Path(f"{path}:{number}")):
            given = {name: row[name] for name in Pair.__dataclass_fields__ if name in row}
            found.append(build(Pair, given))
    return found
