"""`edgewise export`: problems as files for other frameworks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from edgewise.agents.integrations.export import export
from edgewise.agents.training.recipe_file import read_options
from edgewise.cli.bar import bar
from edgewise.cli.export_flags import ExportConfig
from edgewise.errors import usage
from edgewise.registration import check_id


def run(config: ExportConfig, arguments: Sequence[str]) -> None:
    """Write the problems, and say where and what they are."""
    with usage():
        check_id(config.env)
        options: dict[str, Any] = {"preset": config.preset, "levels": config.levels}
        options.update(read_options(config.env_options, [config.env], config.data))
        env = gym.make(config.env, split=config.split, **options)
        with bar("levels") as progress:
            card = export(env, config.layout, config.num_problems, config.output, progress)
    print(f"{config.output}: problems of {config.env} for {config.layout}; {card} says which")
