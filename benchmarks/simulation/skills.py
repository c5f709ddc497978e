"""The skills of a simulated learner, and how practice changes them; without torch.

`edgewise.benchmarks.simulation.learner` has the model in letters, and the policy made of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, ndtri

from edgewise.benchmarks.simulation.worlds import World
from edgewise.errors import unknown
from edgewise.wrappers.rules.signal import Bools, Floats, Ints, group_advantages

NUM_NODES = 15  # of Gauss and Hermite, for means over the problems of an arm
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(NUM_NODES)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def leave_one_out(rewards: Floats) -> Floats:
    """Compute RLOO's advantages: rewards minus the mean of the others in their group, (P, G)."""
    centered = rewards - rewards.mean(axis=1, keepdims=True)
    equal = rewards.max(axis=1, keepdims=True) == rewards.min(axis=1, keepdims=True)
    size = rewards.shape[1]
    advantages: Floats = np.where(equal, 0.0, centered * (size / (size - 1)))
    return advantages


ADVANTAGES: dict[str, Callable[[Floats], Floats]] = {
    "grpo": group_advantages,
    "rloo": leave_one_out,
}


class Skills:
    """The skills of a learner in a world, and its algorithm."""

    def __init__(self, world: World, algorithm: str = "grpo") -> None:
        """Begin with the first skills of `world`.

        Args:
            world: What the learner can do, and what practice does to it.
            algorithm: Whose advantages it forms: "grpo" or "rloo".
        """
        if algorithm not in ADVANTAGES:
            raise ValueError(unknown("algorithm", algorithm, ADVANTAGES))
        self.world = world
        self.advantages = ADVANTAGES[algorithm]
        self.skills = world.skills.copy()  # theta, (M,)

    def unlocked(self) -> Bools:
        """Return which arms are solvable, (M,): a locked one is once the arm before it is learned.

        An arm is learned when its skill is at least 0; behind a locked arm, all are.
        """
        if self.world.locked is None:
            return np.ones(len(self.skills), dtype=np.bool_)
        learned = np.concatenate([[True], self.skills[:-1] >= 0])
        opened: Bools = np.logical_and.accumulate(~self.world.locked | learned)
        return opened

    def accuracy(self) -> Floats:
        """Return the mean success of each arm over all its problems, (M,)."""
        return self.unlocked() * mean_success(self.skills, self.world.spread)

    def logits(self, levels: Ints, problem_seeds: Ints) -> Floats:
        """Return z of problems, arm k being level k + 1, (P,)."""
        easiness = self.world.spread * normal(problem_seeds, self.world.salt)
        logits: Floats = self.skills[levels - 1] + easiness
        return logits

    def chances(self, levels: Ints, problem_seeds: Ints) -> Floats:
        """Return the probability p that a completion of each problem is right, (P,)."""
        p: Floats = self.unlocked()[levels - 1] * expit(self.logits(levels, problem_seeds))
        return p

    def logprobs(self, levels: Ints, problem_seeds: Ints, correct: Bools) -> Floats:
        """Compute the log-probability of outcomes, (P, G), in nats."""
        p = self.chances(levels, problem_seeds)[:, None]
        logprobs: Floats = np.log(np.where(correct, p, 1 - p))
        return logprobs

    def improve(
        self, levels: Ints, problem_seeds: Ints, correct: Bools, advantages: Floats
    ) -> None:
        """Take one step of the policy gradient.

        Args:
            levels: Of the problems, (P,).
            problem_seeds: Of the problems, (P,).
            correct: Of their completions, (P, G).
            advantages: A of their completions, (P, G).
        """
        world = self.world
        score = correct - expit(self.logits(levels, problem_seeds))[:, None]  # y - sigma(z)
        of_problems = (advantages * score).mean(axis=1)  # (P,)
        gradient = np.bincount(levels - 1, of_problems, world.num_arms) / len(levels)  # (K,)
        self.skills += world.learning_rate * gradient @ world.transfer
        self.skills -= world.forgetting * (self.skills - world.skills)


def mean_success(skills: Floats, spread: float) -> Floats:
    """Return the mean of sigma(theta + d), d from N(0, spread^2), for each theta."""
    success: Floats = expit(skills[..., None] + spread * NODES) @ WEIGHTS
    return success


def normal(numbers: Ints, salt: int) -> Floats:
    """Return a standard normal draw for each of `numbers`, always the same for the same salt.

    The bits of the numbers are mixed as by SplitMix64.
    """
    bits = numbers.astype(np.uint64) + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 % 2**64)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    draws: Floats = ndtri(uniform)
    return draws


class Draws:
    """The numbers of `torch.rand`, in float64, of a generator of torch with that seed."""

    def __init__(self, seed: int) -> None:
        """Begin with the seed, as `torch.Generator.manual_seed` does."""
        self.state = np.random.RandomState(seed % 2**32)  # the Mersenne Twister of torch

    def uniform(self, size: int) -> Floats:
        """Draw numbers in [0, 1), (size,)."""
        words = self.state.randint(2**32, size=(size, 2), dtype=np.uint32).astype(np.uint64)
        bits = (words[:, 0] << np.uint64(32)) | words[:, 1]
        draws: Floats = (bits & np.uint64(2**53 - 1)) / 2.0**53
        return draws
