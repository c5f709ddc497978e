"""`edgewise export`: problems as files for other frameworks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym

from edgewise.agents.integrations.export import export
from edgewise.agents.training.config import read_options
from edgewise.cli.parse import parse
from edgewise.errors import usage
from edgewise.registration import check_id


@dataclass(frozen=True)
class ExportConfig:
    """Write problems of an environment as JSON lines or parquet, with a card beside the file."""

    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them."""
    layout: Literal["trl", "trl-turns", "verl", "verifiers"] = "trl"
    """Framework that the columns are for; its reward function is given the problem's name."""
    output: Path = Path("problems.jsonl")
    """File to write, .jsonl or .parquet; it is replaced if it exists."""
    size: int = 1000
    """Problems of each level; fewer where there are no more."""
    env_options: str = "{}"
    """Further keywords of the environment, JSON: {"interactive": true}, {"data": "FOLDER"}."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the first."""
    levels: tuple[int, ...] | None = None
    """Levels to write; by default all that are not kept out of training."""
    split: Literal["train", "validation", "test"] = "train"
    """Split of the problems; no problem is in two."""

    def __post_init__(self) -> None:
        """Check the size."""
        if self.size < 1:
            raise ValueError(f"`size` must be at least 1, got {self.size}")


def run(arguments: Sequence[str]) -> None:
    """Write the problems, and say where and what they are."""
    config = parse(ExportConfig, "export", arguments)
    with usage():
        check_id(config.env)
        options: dict[str, Any] = {"preset": config.preset, "levels": config.levels}
        options.update(read_options(config.env_options, [config.env]))
        env = gym.make(config.env, split=config.split, **options)
        card = export(env, config.layout, config.size, config.output)
    print(f"{config.output}: problems of {config.env} for {config.layout}; {card} says which")
