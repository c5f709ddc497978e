"""Worlds to try curricula in: what a simulated learner can do at first, and what practice does.

All have K training arms, easiest first, and two harder ones out of distribution, which are never
posed. At first the success of the easiest arm is about .8 and that of the hardest about .02. A seed
draws the ladder, so that no two learners are alike; every rule meets the same learners.

A world is an assumption about how skills are made of one another, and no more. None of them is a
language model, so a claim that is made from simulation should hold in most of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from edgewise.wrappers.rules.signal import Bools, Floats

NUM_OOD = 2
EASIEST, HARDEST = (1.0, 2.0), (-4.5, -3.5)  # ranges of the first skills, in logits
JITTER = 0.2  # standard deviation of the first skills about their ladder


@dataclass(frozen=True)
class World:
    """A learner at its start. K arms are for training; M counts those out of distribution too."""

    skills: Floats  # logits of success, (M,)
    transfer: Floats  # what arm j gains when arm i is practised, (K, M)
    learning_rate: float = 1.5  # logits for a gradient of 1
    forgetting: float = 0.0  # share of what was gained that every step undoes, in [0, 1)
    locked: Bools | None = None  # arms with success 0 until the arm before is learned, (M,)
    spread: float = 1.0  # standard deviation of the easiness of an arm's problems, in logits
    salt: int = 0  # decides which problem seeds are easy

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        num_arms, size = self.transfer.shape
        if not 1 <= num_arms <= size or self.skills.shape != (size,):
            raise ValueError(
                f"`transfer` must be (K, M) with K <= M, the number of skills, "
                f"got {self.transfer.shape} and {self.skills.shape}"
            )
        if self.locked is not None and self.locked.shape != (size,):
            raise ValueError(f"`locked` must be of {size} arms, got {self.locked.shape}")
        if self.learning_rate <= 0:
            raise ValueError(f"`learning_rate` must be positive, got {self.learning_rate}")
        if not 0 <= self.forgetting < 1:
            raise ValueError(f"`forgetting` must be in [0, 1), got {self.forgetting}")
        if self.spread < 0:
            raise ValueError(f"`spread` must be at least 0, got {self.spread}")

    @property
    def num_arms(self) -> int:
        """K."""
        return len(self.transfer)


def ladder(num_arms: int, seed: int) -> World:
    """Return a world whose arms have nothing to do with one another.

    Raises:
        ValueError: If there are fewer than two arms, which are no ladder.
    """
    if num_arms < 2:
        raise ValueError(f"`num_arms` must be at least 2, got {num_arms}")
    rng = np.random.default_rng([seed, 0x776F726C64])
    first, last, *noise = rng.random(2 + 2 * (num_arms + NUM_OOD)).tolist()
    easiest = EASIEST[0] + first * (EASIEST[1] - EASIEST[0])
    hardest = HARDEST[0] + last * (HARDEST[1] - HARDEST[0])
    rungs = np.arange(num_arms + NUM_OOD) / (num_arms - 1)
    u, v = np.array(noise).reshape(2, -1)
    normal = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)  # of Box and Muller
    skills = easiest + rungs * (hardest - easiest) + JITTER * normal
    return World(skills, falling(num_arms, up=0.0, down=0.0), salt=seed)


def falling(num_arms: int, up: float, down: float, num_ood: int = NUM_OOD) -> Floats:
    """Return a transfer that falls with the distance d of arms: up^d to harder ones, down^d to easier.

    >>> falling(3, up=0.5, down=0.0, num_ood=1).tolist()
    [[1.0, 0.5, 0.25, 0.125], [0.0, 1.0, 0.5, 0.25], [0.0, 0.0, 1.0, 0.5]]
    """
    distance = np.arange(num_arms + num_ood) - np.arange(num_arms)[:, None]  # (K, M)
    transfer: Floats = np.where(distance >= 0, up, down) ** np.abs(distance)
    return transfer


def independent(num_arms: int, seed: int) -> World:
    """No transfer: an arm is learned by practice of that arm alone, and those out of distribution never."""
    return ladder(num_arms, seed)


def neighbours(num_arms: int, seed: int) -> World:
    """Practice of an arm helps those near it, easier and harder alike: half as much at each step."""
    return replace(ladder(num_arms, seed), transfer=falling(num_arms, up=0.5, down=0.5))


def prerequisites(num_arms: int, seed: int) -> World:
    """Practice transfers to harder arms only."""
    return replace(ladder(num_arms, seed), transfer=falling(num_arms, up=0.7, down=0.0))


def forgetting(num_arms: int, seed: int) -> World:
    """As `neighbours`, but every step undoes 1 % of all that was gained, posed or not."""
    return replace(neighbours(num_arms, seed), forgetting=0.01)


def locked(num_arms: int, seed: int) -> World:
    """As `neighbours`, but an arm of the hardest third is locked until the one before succeeds half the time.

    What is locked has success 0 however often it is posed, so it gives no signal at all; those out
    of distribution are locked too.
    """
    size = num_arms + NUM_OOD
    hardest = np.arange(size) >= num_arms - max(num_arms // 3, 1)
    return replace(neighbours(num_arms, seed), locked=hardest)


WORLDS: dict[str, Callable[[int, int], World]] = {
    "independent": independent,
    "neighbours": neighbours,
    "prerequisites": prerequisites,
    "forgetting": forgetting,
    "locked": locked,
}
