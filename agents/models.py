"""Which model a name means, and what it was made for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgewise.agents.seedling import packaged
from edgewise.agents.transformers_policy import TransformersPolicy
from edgewise.errors import unknown


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
    return str(packaged(name or "countdown"))


def load_policy(agent: str) -> TransformersPolicy:
    """Return the policy that `agent` names."""
    return TransformersPolicy.load(model_path(agent))


def made_for(agent: str) -> dict[str, Any]:
    """Return the model's edgewise.json: "presets" by environment id, and defaults to "train" it."""
    path = Path(model_path(agent)) / "edgewise.json"
    card: dict[str, Any] = {"presets": {}, "train": {}}
    if path.is_file():
        card |= json.loads(path.read_text(encoding="utf-8"))
    return card
