"""Which model a name means, and what it was made for."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import torch

from edgewise.agents.transformers_policy import TransformersPolicy
from edgewise.errors import unknown
from edgewise.files import read_json

Precision = Literal["float32", "bfloat16"]
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


def load_policy(
    agent: str, dtype: Precision = "float32", device: torch.device | str = "cpu"
) -> TransformersPolicy:
    """Return the policy that `agent` names, with weights of `dtype`, on `device`."""
    return TransformersPolicy.load(model_path(agent), getattr(torch, dtype), device)


def made_for(agent: str) -> dict[str, Any]:
    """Return what the model's edgewise.json says: "envs", "preset", and defaults to "train" it."""
    path = Path(model_path(agent)) / "edgewise.json"
    card: dict[str, Any] = {"envs": [], "preset": None, "train": {}}
    if path.is_file():
        card |= read_json(path)
    return card
