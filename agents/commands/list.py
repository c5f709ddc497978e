"""`edgewise list`: the environments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
from rich.console import Console
from rich.table import Table

from edgewise.agents.commands.gallery import gallery
from edgewise.agents.commands.parse import parse
from edgewise.env import ReasoningEnv
from edgewise.registration import env_ids
from edgewise.wrappers import CURRICULA


@dataclass(frozen=True)
class ListConfig:
    """Show the environments with their presets and levels, or the curricula."""

    curricula: bool = False
    """Show the curricula instead."""
    gallery: Path | None = None
    """Write a page with one example of each level to this file instead."""


def run(arguments: Sequence[str]) -> None:
    """Print a table, or write the gallery."""
    config = parse(ListConfig, "list", arguments)
    if config.gallery is not None:
        config.gallery.write_text(gallery(), encoding="utf-8")
        return
    Console().print(curricula() if config.curricula else environments())


def environments() -> Table:
    """Return a row for each preset of each environment."""
    table = Table("environment", "preset", "levels", "out of distribution", "what")
    for env_id in env_ids():
        if gym.spec(env_id).kwargs.get("task") is None:
            table.add_row(env_id, "", "", "", "Several environments as one")
            continue
        env = gym.make(env_id).unwrapped
        assert isinstance(env, ReasoningEnv)
        what = first_line(type(env.task).__doc__)
        for name, preset in env.task.presets.items():
            training = [str(level) for level in preset.levels if level not in preset.ood]
            ood = " ".join(map(str, preset.ood))
            table.add_row(env_id, name, " ".join(training), ood, what)
            env_id, what = "", ""
    return table


def curricula() -> Table:
    """Return a row for each curriculum."""
    table = Table("curriculum", "arguments", "what")
    for name, kind in CURRICULA.items():
        fields = [field for field in kind.__dataclass_fields__ if field != "signal"]
        table.add_row(name, " ".join(fields), first_line(kind.__doc__))
    return table


def first_line(docstring: str | None) -> str:
    """Return the first line of a docstring."""
    return (docstring or "").strip().splitlines()[0]
