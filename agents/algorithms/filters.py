"""Filters of groups of completions; `collect` draws new problems for the groups that one rejects.

Rejected completions have been sampled: `Rollout` counts them, and a curriculum observes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from edgewise.wrappers.lessons.refill import Refill
from edgewise.wrappers.vector import curriculum_of

if TYPE_CHECKING:  # `edgewise list` names filters without torch
    from torch import Tensor


@dataclass(frozen=True)
class Filter(ABC):
    """Decides which groups of completions are trained on."""

    paper: ClassVar[str]  # its arXiv id
    cost: ClassVar[str] = "rejected groups"  # what is needed beside the completions trained on
    rounds: int = field(default=7, kw_only=True, repr=False)  # most in which rejects are replaced

    def __post_init__(self) -> None:
        """Check the rounds."""
        if self.rounds < 0:
            raise ValueError(f"`rounds` must be at least 0, got {self.rounds}")

    @abstractmethod
    def __call__(self, rewards: Tensor, correct: Tensor) -> Tensor:
        """Return which groups are kept, (P,), of the rewards and correctness of all, (P, G)."""

    @property
    def num_screened(self) -> int:
        """How many completions of a group are looked at before the others are made; 0 for all."""
        return 0

    @property
    def refill(self) -> Refill | None:
        """How the arms of replacement groups are drawn; None to draw them from the curriculum again."""
        return None

    def at(self, step: int) -> Filter:
        """Return the filter of a training step, the first being 0."""
        return self


@dataclass(frozen=True)
class DAPO(Filter):
    """Keep the groups whose rewards differ: dynamic sampling.

    Yu et al. (2025), "DAPO", arXiv 2503.14476, where 0 < number right < G. With rewards of right and
    wrong alone that is the same; where wrong answers earn more or less, say by which.
    """

    paper: ClassVar[str] = "2503.14476"
    by: Literal["rewards", "correct"] = "rewards"

    def __post_init__(self) -> None:
        """Check the name."""
        super().__post_init__()
        if self.by not in ("rewards", "correct"):
            raise ValueError(f"`by` must be rewards or correct, got {self.by!r}")

    def __call__(self, rewards: Tensor, correct: Tensor) -> Tensor:
        """Return which groups differ, (P,)."""
        earned = rewards if self.by == "rewards" else correct.float()
        return earned.amax(dim=1) - earned.amin(dim=1) > 1e-6


@dataclass(frozen=True)
class Bae(Filter):
    """Keep the groups of which neither too few nor too many are right: low < p < high.

    Bae et al. (2025), "Online Difficulty Filtering for Reasoning Oriented Reinforcement Learning",
    arXiv 2504.03380: the divergence that a problem can cause is bounded from below by p (1 - p).
    Departure: the batch is refilled in rounds, not asynchronously. That the bounds are outside rests on
    notes of the paper's second version; where they are no k / G, as .2 and .8 with G of 8 or 16, it
    makes no difference.
    """

    paper: ClassVar[str] = "2504.03380"
    low: float = 0.2
    high: float = 0.8

    def __post_init__(self) -> None:
        """Check the bounds."""
        super().__post_init__()
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(
                f"`low` and `high` must be 0 <= low < high <= 1, got {self.low}, {self.high}"
            )

    def __call__(self, rewards: Tensor, correct: Tensor) -> Tensor:
        """Return which groups are within the bounds, (P,)."""
        p = correct.float().mean(dim=1)
        return (p > self.low) & (p < self.high)


@dataclass(frozen=True)
class SPEED(Filter):
    """Sample a few completions first, and the rest only if those differ in correctness.

    Zhang et al. (2025), "SPEED-RL: Faster Training of Reasoning Models via Online Curriculum
    Learning", arXiv 2506.09016. All completions are trained on, as there. Departure: a rejected
    problem is replaced in the same step; there is no buffer of screened problems for later ones.
    """

    paper: ClassVar[str] = "2506.09016"
    cost: ClassVar[str] = "rejected screenings"
    screen: int = 4  # completions made first, at least 2 and fewer than G

    def __post_init__(self) -> None:
        """Check the number."""
        super().__post_init__()
        if self.screen < 2:
            raise ValueError(f"`screen` must be at least 2, got {self.screen}")

    def __call__(self, rewards: Tensor, correct: Tensor) -> Tensor:
        """Return a mask of the groups with both right and wrong completions, (P,)."""
        return correct.any(dim=1) & ~correct.all(dim=1)

    @property
    def num_screened(self) -> int:
        """How many completions of a group are sampled before the rest is decided on."""
        return self.screen


@dataclass(frozen=True)
class VCRL(Filter):
    """Keep the groups whose success varies nearly as much as it can.

    Jiang et al. (2025), "VCRL: Variance-based Curriculum Reinforcement Learning for Large Language
    Models", arXiv 2509.19803. With k of G completions right, v = k (G - k) / (G (G - 1)), and the
    group is kept if v / v_max >= kappa, where v_max is v at k = G / 2, rounded down. "vcrl-schedule"
    has the kappa that a review of the paper names, .3 for 20 steps and then .8; that was not verified
    in the paper itself, and "vcrl" has one of ours. Departure: groups are replaced by new problems,
    not from a memory of earlier ones, whose formula could not be had.
    """

    paper: ClassVar[str] = "2509.19803"
    kappa: float = 0.5  # in (0, 1]
    early_kappa: float | None = None  # in its place for `early_steps`, in (0, 1]; None for the same
    early_steps: int = 20  # at least 0

    def __post_init__(self) -> None:
        """Check kappa."""
        super().__post_init__()
        if not 0 < self.kappa <= 1:
            raise ValueError(f"`kappa` must be in (0, 1], got {self.kappa}")
        if self.early_kappa is not None and not 0 < self.early_kappa <= 1:
            raise ValueError(f"`early_kappa` must be in (0, 1], got {self.early_kappa}")
        if self.early_steps < 0:
            raise ValueError(f"`early_steps` must be at least 0, got {self.early_steps}")

    def __call__(self, rewards: Tensor, correct: Tensor) -> Tensor:
        """Return which groups vary enough, (P,)."""
        size = correct.shape[1]
        right = correct.sum(dim=1)
        largest = (size // 2) * (size - size // 2)
        kept: Tensor = right * (size - right) >= self.kappa * largest - 1e-9
        return kept & (largest > 0)

    def at(self, step: int) -> VCRL:
        """Return the filter with the kappa of a step."""
        if self.early_kappa is None or step >= self.early_steps:
            return self
        return replace(self, kappa=self.early_kappa, early_kappa=None)


@dataclass(frozen=True)
class ScheduledVCRL(VCRL):
    """`VCRL` with a threshold that begins low: .3 for 20 steps, then .8."""

    kappa: float = 0.8
    early_kappa: float | None = 0.3


@dataclass(frozen=True)
class RPS(DAPO):
    """`DAPO`, posing anew what the batch lacks of each arm, at most a number of times.

    "MT-GRPO" (2026), arXiv 2602.05547, ratio-preserving sampler; `Refill` says how arms are drawn. With
    rules over problems, and without a curriculum, it is DAPO with that number.
    """

    paper: ClassVar[str] = "2602.05547"
    rounds: int = field(default=10, kw_only=True, repr=False)  # 2 in the experiment of nine arms
    variant: Literal["paper", "code"] = "paper"

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        Refill(self.variant)

    @property
    def refill(self) -> Refill:
        """What draws arms of which the batch lacks groups."""
        return Refill(self.variant)


@dataclass(frozen=True)
class ReleasedRPS(RPS):
    """`RPS` as the released scripts have it: what is lacking is drawn, whatever was rejected."""

    variant: Literal["paper", "code"] = "code"


def prepare(envs: VectorEnv[Any, Any, Any], filter: Filter, size: int) -> None:
    """Let the curriculum around `envs` refill groups of `size` as `filter` says.

    Raises:
        ValueError: If `filter` screens as many completions as a group has.
    """
    layer, name = curriculum_of(envs), "group_size"
    if layer is not None and layer.lesson.allotment is not None:
        size, name = layer.lesson.allotment.allocation.least, "the least of a group"
    if filter.num_screened >= max(size, 1):
        raise ValueError(f"`screen` must be below {name} = {size}, got {filter.num_screened}")
    if filter.refill is not None and layer is not None:
        layer.lesson.keep_ratios(filter.refill)


def screened(
    filter: Filter,
    rows: NDArray[Any],
    size: int,
    answer: Callable[[NDArray[Any]], None],
    outcomes: Callable[[], tuple[Tensor, Tensor, Tensor]],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Answer the first completions of the groups in `rows`; return the rows of those that pass.

    Args:
        filter: What keeps groups.
        rows: Of whole groups.
        size: G.
        answer: Makes the completions of some rows.
        outcomes: Returns what all have earned, as `kept_by` takes it.

    Returns:
        The rows that are left to answer, and the groups that failed.
    """
    groups, first = np.unique(rows // size), rows % size < filter.num_screened
    answer(rows[first])
    made = slice(0, filter.num_screened)
    passed = kept_by(filter, *(earned[:, made] for earned in outcomes()))
    failed = groups[~passed.numpy()[groups]]
    return rows[~first & ~np.isin(rows // size, failed)], failed


def kept_by(filter: Filter, rewards: Tensor, correct: Tensor, verified: Tensor) -> Tensor:
    """Return which groups `filter` keeps by their verified completions alone, (P,).

    Groups with fewer than two of those are not kept. All arguments but the filter are (P, G).
    """
    if verified.all():
        return filter(rewards, correct)
    kept = verified.new_zeros(len(rewards))
    for group in (verified.sum(dim=1) >= 2).nonzero()[:, 0].tolist():
        own = slice(group, group + 1), verified[group]
        kept[group] = filter(rewards[own], correct[own])[0]
    return kept


FilterName = Literal["none", "dapo", "bae", "speed", "vcrl", "vcrl-schedule", "rps", "rps-code"]
FILTERS: dict[str, type[Filter]] = {
    "dapo": DAPO,
    "bae": Bae,
    "speed": SPEED,
    "vcrl": VCRL,
    "vcrl-schedule": ScheduledVCRL,
    "rps": RPS,
    "rps-code": ReleasedRPS,
}


def filter_of(name: FilterName, rounds: int | None = None, step: int = 0) -> Filter | None:
    """Return the filter of a training step by its name, None for "none".

    Args:
        name: Of the filter.
        rounds: Most in which rejected groups are replaced; by default the filter's own number.
        step: The first is 0.
    """
    if name == "none":
        return None
    found = FILTERS[name]().at(step)
    return found if rounds is None else replace(found, rounds=rounds)
