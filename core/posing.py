"""Pose the problem that a name names."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from edgewise.env import ReasoningEnv, unwrap
from edgewise.errors import shown
from edgewise.names import Name, read_name


def pose(name: str) -> ReasoningEnv:
    """Return an environment that has posed the problem called `name`, ready for a `step`.

    A name is data: it chooses a registered environment and the values of its declared fields, and
    nothing that it says is imported or called. Names of data sets may say which file is read.

    Example:
        >>> env = gym.make("Countdown-v0")
        >>> prompt, info = env.reset(seed=0)
        >>> pose(info["problem"]).render() == prompt
        True

    Raises:
        ValueError: If `name` is none, or another problem has that name here: another version of its
            environment.
        ImportError: If the environment needs an extra that is not installed.
        FileNotFoundError: If its data is not there.
    """
    named = read_name(name)
    env = make_named(named)
    pose_named(env, named)
    return env


def make_named(name: Name) -> ReasoningEnv:
    """Return an environment that can pose the problem called `name`.

    Raises:
        ValueError: If it refuses the overrides.
        ImportError: If it needs an extra that is not installed.
    """
    made = gym.make(name.env, split=name.split, allow_ood=True, **name.overrides)
    return unwrap(made)


def pose_named(env: ReasoningEnv, name: Name) -> Any:
    """Let `env`, which `make_named` made, pose the problem called `name`, and return it.

    Raises:
        ValueError: If another problem has that name here, or none can be made of its params.
        FileNotFoundError: If the data that it names is not there.
    """
    try:
        env.reset(options=name.options)
    except (ArithmeticError, LookupError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"`params` must be such that {name.env} has a problem, got {shown(name.params)}: {error}"
        ) from error
    if env.key_of(env.problem) != name.key:
        raise ValueError(
            f"`key` must be of this version of {name.env}, got {name.key!r} for level {name.level}, "
            f"problem_seed {name.problem_seed}"
        )
    return env.problem
