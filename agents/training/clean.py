"""Contamination checks: a model is not scored on problems that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym

from edgewise.agents.policies.model_card import is_own, model_path
from edgewise.agents.training.config import from_record
from edgewise.agents.training.parts import Problems, Setup
from edgewise.agents.training.run_folder import RunFolder
from edgewise.env import unwrap
from edgewise.fields import convert
from edgewise.files import about
from edgewise.problem_set import check_clean
from edgewise.registration import check_id


def check_model(agent: str, env_id: str, **options: Any) -> None:
    """Raise ValueError if the run that made a model trained on problems of an environment.

    Args:
        agent: Names the model; one that is in no run folder is passed.
        env_id: Of the environment that it is to be scored on, at all levels.
        options: Keywords of that environment, the split among them.
    """
    if is_own(agent):
        return
    path = Path(model_path(agent))
    for folder in path.parents[:3]:  # run/model and run/checkpoints/STEP/model
        if (folder / "checkpoints").is_dir() and (folder / "config.json").is_file():
            with about(folder / "config.json"):
                problems = trained(RunFolder(folder).config())
            check_problems(problems, env_id, **options)


def trained(record: Mapping[str, Any]) -> Problems:
    """Return the training problems of a run; of a game of SOAR, the environment of its hard problems."""
    if "game" not in record:
        return from_record(record).problems
    game: Mapping[str, Any] = convert(record["game"], Mapping[str, Any], "game")
    return from_record({name: game[name] for name in ("env", "preset") if name in game}).problems


def check_evaluation(setup: Setup) -> None:
    """Raise ValueError if a run would be evaluated on problems that it trains on."""
    plans = [setup.evaluation] if setup.evaluate else []
    plans += [] if setup.validation is None else [setup.validation.plan]
    for plan in plans:
        options = setup.problems.options(split=plan.split)
        for env_id in setup.problems.ids:
            check_id(env_id)
            check_problems(setup.problems, env_id, **options)


def check_problems(problems: Problems, env_id: str, **options: Any) -> None:
    """Raise ValueError if training problems overlap with those of an environment, at any level.

    Args:
        problems: What the run trains on.
        env_id: Of the environment that is evaluated.
        options: Its keywords.
    """
    preset = unwrap(gym.make(env_id, **options))
    evaluated = gym.make(env_id, **{**options, "levels": tuple(preset.preset.levels)})
    for trained_id in problems.ids:
        check_clean(
            gym.make(trained_id, **problems.options(levels=problems.levels)),
            evaluated,
        )
