"""How many problems the arms of training environments have."""

from __future__ import annotations

from typing import Any

from edgewise.agents.rollout import Envs


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
