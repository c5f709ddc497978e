"""What reports and cards read of a run: its config, its metrics and its validations, checked, for folders come from others."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Annotated, Any

from edgewise.agents.algorithms.config import Condition, Count, check_value, is_number
from edgewise.agents.training import validation
from edgewise.agents.training.scores import levels_of
from edgewise.errors import shown
from edgewise.files import FileError, about
from edgewise.folder import Folder

METRICS = "metrics.jsonl"
NEEDED = ("step", "num_tokens", "num_extra_rollouts", "num_extra_tokens", "time/step_seconds")
MAX_BITS = 1_000  # of a whole number, so that it can be a float

Text = Annotated[str, Condition("a text", lambda value: isinstance(value, str))]
Number = Annotated[float, Condition("a number", lambda value: is_figure(value))]
FIELDS: dict[str, Any] = {  # of config.json, that every run has
    "env": Text,
    "preset": Text | None,
    "curriculum": Text,
    "algorithm": Text,
    "agent": Text,
    "num_steps": Count,
    "num_problems": Count,
    "group_size": Count,
    "learning_rate": Number,
    "arms": Annotated[list[str], Condition("a list of texts", lambda value: are(str, value))],
}
OTHERS: dict[str, Any] = {  # and that some have
    "levels": Annotated[
        list[int], Condition("a list of whole numbers", lambda value: are(int, value))
    ]
    | None,
    "patience": Count | None,
    "allocation": Text,
}


def is_figure(value: object) -> bool:
    """Return whether a value is a number that can be a float, finite or not."""
    return is_number(value) and not (isinstance(value, int) and value.bit_length() > MAX_BITS)


def are(kind: type[Any], value: object) -> bool:
    """Return whether a value is a list of nothing else than a kind."""
    return isinstance(value, list) and all(type(one) is kind for one in value)


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
    """Return the metrics of each step, without the texts that someone may have added.

    Raises:
        FileError: If they are damaged, one is no number, or not every step has the same arms.
    """
    path, found = folder.path / METRICS, list[dict[str, float]]()
    for record in folder.lines(METRICS, NEEDED):
        added = {name for name, value in record.items() if isinstance(value, str)} - {*NEEDED}
        found.append({name: value for name, value in record.items() if name not in added})
        for name, value in found[-1].items():
            if not is_figure(value):
                place = f"{path}: step {shown(record['step'])}"
                raise FileError(f"{place} must have a number as {name!r}, got {shown(value)}")
        if num_arms(found[-1]) != num_arms(found[0]):
            arms = f"{num_arms(found[0])} arms in every step"
            raise FileError(f"{path}: must have {arms}, got {num_arms(found[-1])}")
    return found


def num_arms(metrics: Mapping[str, float]) -> int:
    """Return how many arms have a probability, the first ones."""
    return next(arm for arm in count() if f"arm/{arm}_probability" not in metrics)


def read_looks(folder: Folder) -> list[validation.Record]:
    """Return the validations.

    Raises:
        FileError: If they are damaged, or have no scores of the same levels.
    """
    path = folder.path / validation.LINES
    found: list[validation.Record] = list(folder.lines(path.name, validation.NEEDED))
    levels = [
        [(row["env"], row["level"]) for row in levels_of(look, folder, path.name)] for look in found
    ]
    if any(other != levels[0] for other in levels):
        raise FileError(f"{path}: must have scores of the same levels each time, got others")
    for look in found:
        mean = validation.score_of(look)
        if not is_figure(look["step"]) or not is_figure(mean):
            raise FileError(f"{path}: must have a step and its mean score, got {shown(mean)}")
    return found
