"""What the table of SOAR reads: the records of students, and the last checkpoints of games, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgewise.agents.algorithms.config import check_value
from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.run import game_state
from edgewise.agents.training.checkpoint import ALGORITHM, check, read_tensors
from edgewise.agents.training.record_fields import (
    FiniteNumbers,
    Natural,
    Text,
    are,
    check_fields,
    is_count,
)
from edgewise.agents.training.run_folder import RunFolder
from edgewise.benchmarks.studies.published import SOAR_METHODS
from edgewise.errors import shown, unknown
from edgewise.files import FileError

Record = dict[str, Any]  # what one student knows
NAME = {"method": Text, "run": Text, "teacher": Natural, "student": Natural}


def check_record(
    record: Record, sizes: Mapping[str, Any], num_samples: int, num_problems: int
) -> None:
    """Check the record of a student.

    Args:
        record: What a line says.
        sizes: Of the table; a record of others is refused elsewhere.
        num_samples: Answers to each test problem.
        num_problems: Of the test.

    Raises:
        ValueError: If a field is missing or of another type, or it is of another test.
    """
    check_fields(record, {**NAME, "correct": Any, "num_samples": Natural, "size": Natural | None})
    if record["method"] not in SOAR_METHODS:
        raise ValueError(unknown("method", record["method"], SOAR_METHODS))
    if "vendi" in record:
        check_value("vendi", record["vendi"], FiniteNumbers)
        if len(record["vendi"]) != 2 or min(record["vendi"]) < 0:
            raise ValueError(
                f"`vendi` must be a mean and a deviation, got {shown(record['vendi'])}"
            )
    if record.get("sizes") != sizes:
        return
    if record["num_samples"] != num_samples:
        raise ValueError(f"`num_samples` must be {num_samples}, got {record['num_samples']}")
    tests = record["correct"]
    for test in tests if are(lambda test: are(is_count, test), tests) and tests else [[]]:
        if len(test) != num_problems or max(test) > num_samples:
            raise ValueError(
                f"`correct` must have right answers, at most {num_samples}, to each of "
                f"{num_problems} problems in each test, got {shown(tests)}"
            )


def of_each_student(records: Iterable[Record]) -> list[Record]:
    """Return the first record of each student, in their order."""
    found: dict[tuple[Any, ...], Record] = {}
    for record in records:
        found.setdefault(tuple(record[name] for name in NAME), record)
    return list(found.values())


def last_checkpoint(path: Path) -> Path:
    """Return the newest checkpoint of a game.

    Raises:
        FileError: If there is none, or it is damaged: another one would be of another teacher.
    """
    folder = RunFolder.open(path, "runs")
    found = folder.checkpoints()
    if not found:
        raise FileError(f"{path / 'checkpoints'}: must have a checkpoint, got none")
    check(found[-1], run=folder.run)
    return found[-1]


def last_state(path: Path) -> dict[str, Any]:
    """Return the state of a game in its newest checkpoint.

    Raises:
        FileError: If there is none, or it is damaged.
    """
    file = last_checkpoint(path) / ALGORITHM
    return game_state(read_tensors(file), file)


def best_of(path: Path) -> list[Pair]:
    """Return D_best of a run; nothing if no student was promoted, which makes PQ Hard-Only."""
    return [Pair(**pair) for pair in last_state(path)["best"]]
