"""What the arms of training environments are called, and how many problems they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.agents.rollout import Envs


def arm_names(env_ids: Sequence[str], arms: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what each arm is called: "level 2", or "Zebra-v0 level 2" among several tasks."""
    names = []
    for arm in arms:
        place = f"{env_ids[arm['env']]} " if "env" in arm else ""
        rest = {key: value for key, value in arm.items() if key != "env"}
        names.append(place + " ".join(f"{key} {value}" for key, value in rest.items()))
    return names


def arm_sizes(envs: Envs) -> list[int] | None:
    """Return the number of problems of each arm, (K,); None if an arm has no end."""
    base: Any = envs.unwrapped
    sizes: list[int] = []
    for arm in base.arms:
        member = base.env.members[arm.get("env", 0)]
        params = {**member.preset.levels[arm["level"]], **arm.get("params", {})}
        size = member.task.num_rows(member.split, **params)
        if size is None:
            return None
        sizes.append(size)
    return sizes
