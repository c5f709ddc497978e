"""What reports and cards read of a run: its config, its metrics and its validations, checked, for folders come from others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import count
from typing import Annotated, Any, TypeVar

from edgewise.agents.algorithms.config import Condition, Count, check_value
from edgewise.agents.training import validation
from edgewise.agents.training.record_fields import (
    Natural,
    Number,
    Step,
    Writable,
    Writables,
    are,
    check_fields,
    is_whole,
)
from edgewise.agents.training.scores import read_scores
from edgewise.errors import shown
from edgewise.files import Check, FileError, about
from edgewise.folder import Folder

Row = Mapping[str, Any]
Record = TypeVar("Record", bound=Row)
METRICS = "metrics.jsonl"
NEEDED = ("step", "num_tokens", "num_extra_rollouts", "num_extra_tokens", "time/step_seconds")

FIELDS: dict[str, Any] = {  # of config.json, that every run has
    "env": Writable,
    "preset": Writable | None,
    "curriculum": Writable,
    "algorithm": Writable,
    "agent": Writable,
    "num_steps": Count,
    "num_problems": Count,
    "group_size": Count,
    "learning_rate": Number,
    "seed": Natural,
    "arms": Writables,
}
SCORED: dict[str, Any] = {  # of each level, beside what all scores have
    **dict.fromkeys(("num_problems", "num_samples", "k", "num_pass_k"), Natural),
    **dict.fromkeys(("pass_at_k", "format_rate", "truncated"), Number),
}
OTHERS: dict[str, Any] = {  # and that some have
    "levels": Annotated[
        list[int], Condition("a list of whole numbers", lambda value: are(is_whole, value))
    ]
    | None,
    "patience": Count | None,
    "allocation": Writable,
}


def read_config(folder: Folder) -> dict[str, Any]:
    """Return config.json of a run.

    Raises:
        FileError: If it is damaged, or what is shown of it is missing or of another type.
    """
    config, path = folder.config(), folder.path / "config.json"
    with about(path):
        for name, hint in {**FIELDS, **OTHERS}.items():
            if name in config:
                check_value(name, config[name], hint)
            elif name in FIELDS:
                raise FileError(f"{path}: must have {name!r}, got {list(config)}")
        for name in ("num_problems", "group_size", "num_steps"):
            check_value(name, config[name], Number)
    return config


def read_metrics(folder: Folder) -> list[dict[str, float]]:
    """Return the metrics of each step, once and in order, without the texts that someone may have added.

    Raises:
        FileError: If they are damaged, one is no number, or not every step has the same arms.
    """
    path, found = folder.path / METRICS, list[dict[str, float]]()
    for record in folder.lines(METRICS, check=check_metrics):
        found.append({name: value for name, value in record.items() if not isinstance(value, str)})
        if num_arms(found[-1]) != num_arms(found[0]):
            arms = f"{num_arms(found[0])} arms in every step"
            raise FileError(f"{path}: must have {arms}, got {num_arms(found[-1])}")
    return of_each_step(found)


def of_each_step(records: Iterable[Record]) -> list[Record]:
    """Return the first record of each step, in the order of the steps.

    >>> of_each_step([{"step": 2}, {"step": 1}, {"step": 2, "reward": 0.5}])
    [{'step': 1}, {'step': 2}]
    """
    found: dict[int, Record] = {}
    for record in records:
        found.setdefault(record["step"], record)
    return [found[step] for step in sorted(found)]


def check_metrics(record: dict[str, Any]) -> None:
    """Raise ValueError if a record is not the metrics of a step that reports need."""
    check_needed(record, NEEDED)
    numbers(NEEDED)(record)


def check_needed(record: Mapping[str, Any], needed: Collection[str]) -> None:
    """Raise ValueError if a record lacks a key."""
    if lacking := [key for key in needed if key not in record]:
        raise ValueError(f"must have {lacking[0]!r}, got {shown(list(record))}")


def numbers(needed: Collection[str]) -> Check:
    """Return the check that the metrics of a step are numbers, but for texts that someone may have added.

    Args:
        needed: Metrics that every step has, in whose place there is no text.
    """

    def check(record: dict[str, Any]) -> None:
        check_value("step", record["step"], Step)
        for name, value in record.items():
            if name in needed or not isinstance(value, str):
                check_value(shown(name)[1:-1], value, Number)

    return check


def read_both(folder: Folder) -> tuple[Row | None, Row | None]:
    """Return the scores before and after training, None where it was not scored.

    Raises:
        FileError: If they are damaged, or not of the same levels.
    """
    found = {name: read_scores(folder, name) for name in ("before.json", "after.json")}
    for name, scores in found.items():
        if scores is not None:
            with about(folder.path / name):
                check_fields(scores, {"mean": Number})
                for place, level in enumerate(scores["levels"]):
                    check_fields(level, SCORED, f"levels[{place}]")
    before, after = found.values()
    if before and after and places(before) != places(after):
        path = folder.path / "after.json"
        raise FileError(f"{path}: must have scores of the levels of before.json, got others")
    return before, after


def places(scores: Row) -> list[tuple[str, int]]:
    """Return the environment and the number of each level that was scored."""
    return [(level["env"], level["level"]) for level in scores["levels"]]


def num_arms(metrics: Mapping[str, float]) -> int:
    """Return how many arms have a probability, the first ones."""
    return next(arm for arm in count() if f"arm/{arm}_probability" not in metrics)


def read_looks(folder: Folder) -> list[validation.Record]:
    """Return the validations.

    Raises:
        FileError: If they are damaged, or have no scores of the same levels.
    """
    path = folder.path / validation.LINES
    found: list[validation.Record] = list(validation.read(folder))
    levels = [places(look) for look in found]
    if any(other != levels[0] for other in levels):
        raise FileError(f"{path}: must have scores of the same levels each time, got others")
    return found
