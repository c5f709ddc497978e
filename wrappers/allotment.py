"""An allocation at work: sizes for the groups of each batch, and what it learns of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.allocation import ALLOCATIONS, Allocation
from edgewise.wrappers.rules.catalogue import construct
from edgewise.wrappers.rules.signal import Groups, Ints


@dataclass(frozen=True)
class Allotment:
    """An allocation, and how many completions a group has on average.

    Environments under it have groups of the largest size that there may be.

    Example:
        >>> import gymnasium as gym
        >>> from edgewise.wrappers import SEC, VIP
        >>> from edgewise.wrappers.vector import Curriculum
        >>> envs = gym.make_vec("Countdown-v0", num_envs=3 * 16, group_size=16)
        >>> envs = Curriculum(envs, SEC())
        >>> envs.allocate(Allotment(VIP(most=16), group_size=8))
        >>> _, infos = envs.reset(seed=0)
        >>> infos["size"][::16].tolist()  # of three problems, of which nothing is known
        [8, 8, 8]
    """

    allocation: Allocation
    group_size: int  # G, the budget of a batch of P problems being P G

    def __post_init__(self) -> None:
        """Check that the average lies within the bounds of the allocation."""
        least, most = self.allocation.least, self.allocation.most
        if not least <= self.group_size <= most:
            raise ValueError(
                f"`group_size` must be in [{least}, {most}], the bounds of the allocation, "
                f"got {self.group_size}"
            )

    def sizes(self, names: Sequence[str], budget: int) -> Ints:
        """Return the completions of each problem or arm of `names`, (P,), that sum to `budget`.

        Raises:
            ValueError: If the allocation returns anything else.
        """
        sizes = np.asarray(self.allocation.sizes(names, budget))
        if sizes.shape != (len(names),) or not np.issubdtype(sizes.dtype, np.integer):
            raise ValueError(
                f"`sizes` must be {len(names)} integers, got {sizes.dtype} {sizes.shape}"
            )
        if sizes.min(initial=0) < 0 or sizes.max(initial=0) > self.allocation.most:
            raise ValueError(
                f"`sizes` must be in [0, {self.allocation.most}], got {sizes.tolist()}"
            )
        if sizes.sum() != budget:
            raise ValueError(f"`sizes` must sum to {budget}, got {sizes.sum()}")
        return sizes.astype(np.int64)

    def observe(self, names: Sequence[str], groups: Groups) -> None:
        """Tell the allocation what share of the verified completions of each name was right.

        Args:
            names: Of the problem or arm of each group, in which one may occur several times.
            groups: What they earned.
        """
        made: dict[str, int] = {}
        right: dict[str, int] = {}
        counts = groups.verified.sum(axis=1).tolist()
        correct = (groups.correct & groups.verified).sum(axis=1).tolist()
        for name, count, solved in zip(names, counts, correct, strict=True):
            made[name], right[name] = made.get(name, 0) + count, right.get(name, 0) + solved
        known = [name for name, count in made.items() if count]
        success = np.array([right[name] / made[name] for name in known])
        self.allocation.observe(known, success)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the allocation."""
        return self.allocation.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of the allocation."""
        self.allocation.load_state_dict(state)


def make_allocation(text: str) -> Allocation | None:
    """Return the allocation that `text` names, with its arguments; None for "none".

    >>> make_allocation("vip:most=16")
    VIP(estimator='rloo', least=4, most=16, prior=0.0, length=0.4, jitter=0.0001, features={})
    >>> make_allocation("none") is None
    True

    Raises:
        ValueError: If there is no such allocation or argument, or its value is refused.
    """
    if text == "none":
        return None
    if (name := text.split(":")[0]) not in ALLOCATIONS:
        raise ValueError(unknown("allocation", name, ["none", *ALLOCATIONS]))
    allocation: Allocation = construct("allocation", text, ALLOCATIONS)
    return allocation
