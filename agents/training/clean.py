"""Whether the problems that a model is scored on are none of those that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym

from edgewise.agents.policies.model_card import model_path
from edgewise.agents.training.config import TrainConfig, from_record
from edgewise.agents.training.run_folder import RunFolder
from edgewise.env import unwrap
from edgewise.fields import convert
from edgewise.files import about
from edgewise.problem_set import check_clean


def check_model(agent: str, env_id: str, **options: Any) -> None:
    """Raise ValueError if a model is out of a run that was trained on problems of an environment.

    Args:
        agent: Names the model; one that is in no run folder is passed.
        env_id: Of the environment that it is to be scored on, at all levels.
        options: Keywords of that environment, the split among them.
    """
    path = Path(model_path(agent))
    for folder in path.parents[:3]:  # run/model and run/checkpoints/STEP/model
        if (folder / "checkpoints").is_dir() and (folder / "config.json").is_file():
            with about(folder / "config.json"):
                config = trained(RunFolder(folder).config())
            check_config(config, env_id, **options)


def trained(record: Mapping[str, Any]) -> TrainConfig:
    """Return what a run trained on, also one of SOAR, whose hard problems are training problems."""
    if "game" not in record:
        return from_record(record)
    game: Mapping[str, Any] = convert(record["game"], Mapping[str, Any], "game")
    return from_record({name: game[name] for name in ("env", "preset") if name in game})


def check_config(config: TrainConfig, env_id: str, **options: Any) -> None:
    """Raise ValueError if a run trains on problems of an environment, at whatever level.

    Args:
        config: Of the run.
        env_id: Of the environment that is evaluated.
        options: Its keywords.
    """
    preset = unwrap(gym.make(env_id, **options))
    evaluated = gym.make(env_id, **{**options, "levels": tuple(preset.preset.levels)})
    for trained_id in config.env.split(","):
        check_clean(
            gym.make(trained_id, preset=config.preset, levels=config.levels, **config.keywords),
            evaluated,
        )
