"""Rules that never change: what a curriculum has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats


@dataclass(eq=False)
class Random(Rule):
    """Arms are posed in proportion to their sizes, as if all problems were shuffled together.

    The baseline "random" of Chen et al. (2025), arXiv 2505.14970, which passes over all problems in
    random order. With arms of equal sizes, or without an end, it is `Balanced`.

    Example:
        >>> rule = Random(sizes=[100, 100, 200])
        >>> rule.start(num_arms=3)
        >>> rule.probabilities().round(2).tolist()
        [0.25, 0.25, 0.5]
    """

    name: ClassVar[str] = "random"
    order: ClassVar[int] = 10
    learns: ClassVar[bool] = False
    paper: ClassVar[str] = "2505.14970"
    equivariant: ClassVar[bool] = True
    explores: ClassVar[bool] = True
    sizes: Sequence[float] | None = None  # the number of problems of each arm; None if equal

    def __post_init__(self) -> None:
        """Check that the sizes make a distribution."""
        if self.sizes is not None and (min(self.sizes, default=0) < 0 or not sum(self.sizes)):
            raise ValueError(f"`sizes` must be at least 0 and not all 0, got {self.sizes}")

    def start(self, num_arms: int) -> None:
        """Check that there is a size for each arm.

        Raises:
            ValueError: If `sizes` are of another number of arms.
        """
        super().start(num_arms)
        if self.sizes is not None and len(self.sizes) != num_arms:
            raise ValueError(f"`sizes` must be of {num_arms} arms, got {len(self.sizes)}")

    def probabilities(self) -> Floats:
        """Return size / total for each arm, shape (K,)."""
        sizes = np.ones(self.num_arms) if self.sizes is None else np.array(self.sizes, np.float64)
        probabilities: Floats = sizes / sizes.sum()
        return probabilities


@dataclass(eq=False)
class Balanced(Rule):
    """Every arm is as likely as any other, whatever its size.

    The baseline "balanced", also called GRPO, of Parashar et al. (2025), arXiv 2506.06632.

    Example:
        >>> rule = Balanced()
        >>> rule.start(num_arms=3)
        >>> rule.probabilities().round(2).tolist()
        [0.33, 0.33, 0.33]
    """

    name: ClassVar[str] = "balanced"
    order: ClassVar[int] = 20
    learns: ClassVar[bool] = False
    paper: ClassVar[str] = "2506.06632"
    equivariant: ClassVar[bool] = True
    explores: ClassVar[bool] = True

    def probabilities(self) -> Floats:
        """Return 1 / K for each arm, shape (K,)."""
        return np.full(self.num_arms, 1 / self.num_arms)


@dataclass(eq=False)
class Subset(Rule):
    """Only some of the arms, each as likely as the others: "Hard only", "Med + Hard" and so on.

    The control of Parashar et al. (2025), arXiv 2506.06632, Table 1, which asks what the easy levels
    are needed for.

    Example:
        >>> rule = Subset(arms=[1, 2])
        >>> rule.start(num_arms=3)
        >>> rule.probabilities().round(2).tolist()
        [0.0, 0.5, 0.5]
    """

    name: ClassVar[str] = "subset"
    order: ClassVar[int] = 30
    learns: ClassVar[bool] = False
    paper: ClassVar[str] = "2506.06632"
    example: ClassVar[str] = "arms=[0]"
    arms: Sequence[int]  # those to pose, counted from 0

    def __post_init__(self) -> None:
        """Check that there are arms."""
        if not self.arms or len(set(self.arms)) < len(self.arms):
            raise ValueError(f"`arms` must be different arms, at least one, got {self.arms}")

    def start(self, num_arms: int) -> None:
        """Check that all arms exist.

        Raises:
            ValueError: If an arm of the subset is none of them.
        """
        super().start(num_arms)
        if not set(self.arms) <= set(range(num_arms)):
            raise ValueError(f"`arms` must be in range({num_arms}), got {self.arms}")

    def probabilities(self) -> Floats:
        """Return 1 / n for the n arms to pose and 0 for the others, shape (K,)."""
        return np.isin(np.arange(self.num_arms), self.arms) / len(self.arms)
