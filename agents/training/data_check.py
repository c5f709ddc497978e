"""Look for the data of an environment before anything is loaded; imports no torch."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from edgewise.env import unwrap


def check_data(env_id: str, **options: Any) -> None:
    """Make an environment, and look for the data of its levels, if it reads any.

    Raises:
        ValueError: If it refuses an option.
        FileNotFoundError: If its data is not there.
    """
    for env in unwrap(gym.make(env_id, **options)).members:
        for level in env.levels:
            env.task.num_rows(env.split, **env.preset.levels[level])
