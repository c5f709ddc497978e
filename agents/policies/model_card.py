"""Which model a name means, and what it was made for; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgewise.errors import unknown
from edgewise.fields import convert
from edgewise.files import about, read_json

CARD: dict[str, Any] = {"envs": list[str], "preset": str | None, "train": Mapping[str, Any]}
TRAIN: dict[str, Any] = {  # the flags of `edgewise train` that a model has defaults for
    "num_steps": int,
    "num_problems": int,
    "group_size": int,
    "learning_rate": float,
}
SEEDLINGS = Path(str(files("edgewise.agents") / "seedlings"))


def model_path(agent: str) -> str:
    """Return the folder or hub id that `agent` names: seedling, seedling:NAME or hf:PATH.

    Raises:
        ValueError: If it names none.
    """
    kind, _, name = agent.partition(":")
    if kind == "hf" and name:
        return name
    if kind != "seedling":
        raise ValueError(unknown("agent", agent, ["seedling", "seedling:NAME", "hf:PATH"]))
    names = sorted(path.parent.name for path in SEEDLINGS.glob("*/config.json"))
    name = name or "countdown"
    if name not in names:
        raise ValueError(unknown("seedling", name, names))
    return str(SEEDLINGS / name)


def made_for(agent: str) -> dict[str, Any]:
    """Return what the model's edgewise.json says: "envs", "preset", and defaults to "train" it.

    Raises:
        FileError: If the file is none, or says something else.
    """
    path = Path(model_path(agent)) / "edgewise.json"
    card: dict[str, Any] = {"envs": [], "preset": None, "train": {}}
    if path.is_file():
        record = read_json(path)
        with about(path):
            card |= {
                name: convert(record[name], CARD[name], name) for name in card if name in record
            }
            for name, value in card["train"].items():
                if name not in TRAIN:
                    raise ValueError(unknown("train", name, TRAIN))
                convert(value, TRAIN[name], f"train.{name}")
    return card
