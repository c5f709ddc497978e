"""The files of a game of SOAR, checked as they are read, for folders come from others; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from edgewise.agents.algorithms.config import Condition, Count, Finite, Natural, check_value
from edgewise.agents.soar.config import SOARRunConfig
from edgewise.agents.soar.pairs import Pair
from edgewise.agents.training.record_fields import (
    MOST,
    Number,
    Step,
    Text,
    Writable,
    check_fields,
    checked,
)
from edgewise.agents.training.run_reading import METRICS, check_needed
from edgewise.fields import build
from edgewise.files import Check, about
from edgewise.folder import Folder
from edgewise.registration import check_id

Row = Mapping[str, Any]
PROBLEMS = "problems.jsonl"  # what the teacher wrote
ASKED: dict[str, Any] = {  # of config.json; early runs have not all
    "preset": Writable,
    "reward": Writable,
    "seed": Natural,
    "dtype": Text,
    "device": Text,
}
PLAYED: dict[str, Any] = {"agent": Writable, "env": Writable}  # of its game
Size = Annotated[Count, Condition(f"below {MOST}", lambda n: n < MOST)]
SIZES: dict[str, Any] = {  # of the sizes of that
    **dict.fromkeys(("num_steps", "num_datasets", "dataset_size", "num_students", "window"), Size),
    "threshold": Finite,
}
NEEDED = ("step", "reward", "best_reward", "accepted_ratio", "time/step_seconds")
FIELDS = {"step": Step, **dict.fromkeys((*NEEDED[1:], "baseline_accuracy"), Number)}


def read_game(folder: Folder) -> dict[str, Any]:
    """Return config.json of a run, with the game that it plays; what an early run lacks has its default.

    Raises:
        FileError: If it is damaged, or what every run has of it is missing or of another type.
    """
    config = {name: getattr(SOARRunConfig, name) for name in ASKED} | folder.config()
    with about(folder.path / "config.json"):
        check_fields(config, {**ASKED, "game": Any})
        check_fields(config["game"], {**PLAYED, "soar": Any}, "game")
        check_fields(config["game"]["soar"], SIZES, "game.soar")
        check_id(config["game"]["env"])
    return config


def check_metrics(record: dict[str, Any]) -> None:
    """Raise ValueError if a record is not the metrics of an outer step."""
    check_needed(record, NEEDED)
    checked(FIELDS)(record)


def pair_of(record: Row) -> Pair:
    """Return the problem of a record; ValueError if it is none."""
    check_needed(record, ("step", "question", "answer"))
    check_value("step", record["step"], Step)
    return build(Pair, record)


CHECKS: Mapping[str, Check] = {METRICS: check_metrics, PROBLEMS: pair_of}
