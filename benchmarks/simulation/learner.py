r"""A simulated learner: a policy with skills instead of weights, for curricula in seconds.

Arm j has a skill theta_j, a logit. A completion of problem x of arm j is right with probability

    p = o_j sigma(z),    z = theta_j + d_x,

where d_x is the problem's own easiness, drawn once from N(0, spread^2), and o_j is 0 while the arm is
locked, else 1. The learner samples G completions of each of P problems, forms the advantages A of
its algorithm from their rewards, and takes the policy gradient step on theta, in which completion y
in {0, 1} has d log p(y) / dz = y - sigma(z):

    g_j = 1/(P G)  sum over problems x of arm j, sum over completions  A (y - sigma(z)),
    theta <- theta + learning_rate T' g,    then theta <- theta - forgetting (theta - theta_0).

T is the transfer between arms. As the groups are finite, so is what they tell: at p = .01 and G = 8
the mean |A| of GRPO is .048, where 2 sqrt(p (1 - p)) would be .199.

What it is not: there is no momentum, no clipping (one update for each batch, on policy), no length,
and no memory of single problems, so a problem that is posed again teaches as much as a new one,
which flatters rules that replay.

Whether it ranks curricula as a language model does is what `simulated_fit` measures. Fitted to the
runs of a seedling on Countdown under Random and Ordered (benchmarks/results/countdown.md), it put
five other rules in nearly their real order: Spearman's correlation is .90, where the real order has a
split-half reliability of .77. Five rules, whose real intervals overlap, are little to go by; and it
promised accuracies of .58 to .60 where .51 to .53 was reached, so take from it an order, not a gain.

Shapes: P problems a step, G completions a problem, K arms, M arms with those out of distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.special import expit, ndtri
from torch import Generator

from edgewise.agents.algorithms.filters import Filter
from edgewise.agents.algorithms.rollout import Envs, Rollout, collect
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Completions
from edgewise.benchmarks.simulation.env import RIGHT, WRONG
from edgewise.benchmarks.simulation.worlds import World
from edgewise.errors import unknown
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.rules.signal import (
    Bools,
    Floats,
    Ints,
    Updated,
    group_advantages,
    spread,
)
from edgewise.wrappers.vector import asks_after, teach, tell_after

NUM_NODES = 15  # of Gauss and Hermite, for means over the problems of an arm
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(NUM_NODES)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def leave_one_out(rewards: Floats) -> Floats:
    """Return how far `rewards`, (P, G), are above the mean of the others in their group: RLOO's A."""
    centered = rewards - rewards.mean(axis=1, keepdims=True)
    equal = rewards.max(axis=1, keepdims=True) == rewards.min(axis=1, keepdims=True)
    size = rewards.shape[1]
    advantages: Floats = np.where(equal, 0.0, centered * (size / (size - 1)))
    return advantages


ADVANTAGES: dict[str, Callable[[Floats], Floats]] = {
    "grpo": group_advantages,
    "rloo": leave_one_out,
}


class SimulatedLearner:
    """A policy with the skills of a world, and its algorithm."""

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
        """Return which arms can be solved, (M,): of the locked ones, those whose arm before is learned.

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

    def success(self, levels: Ints, problem_seeds: Ints) -> Floats:
        """Return how likely problems are solved, (P,)."""
        unlocked = self.unlocked()[levels - 1]
        success: Floats = unlocked * expit(self.logits(levels, problem_seeds))
        return success

    def logprobs(self, levels: Ints, problem_seeds: Ints, correct: Bools) -> Floats:
        """Return the log-probability of outcomes, (P, G), in nats."""
        p = self.success(levels, problem_seeds)[:, None]
        logprobs: Floats = np.log(np.where(correct, p, 1 - p))
        return logprobs

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, generator: Generator
    ) -> Completions:
        """Answer each of B prompts, "level problem_seed", right or wrong."""
        distinct = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
        named = np.array([prompt.split() for prompt in distinct], np.int64)  # (P, 2)
        levels, problem_seeds = named.T
        p = self.success(levels, problem_seeds)[[distinct[prompt] for prompt in prompts]]  # (B,)
        draws = torch.rand(len(prompts), generator=generator, dtype=torch.float64).numpy()
        right = draws < p
        tokens = torch.from_numpy(right.astype(np.int64)[:, None])
        ones = torch.ones_like(tokens)
        logprobs = torch.from_numpy(np.log(np.where(right, p, 1 - p))[:, None])
        return Completions(
            [RIGHT if each else WRONG for each in right.tolist()],
            tokens,
            ones,
            ones.float(),
            logprobs.float(),
            torch.ones(len(prompts), dtype=torch.bool),
        )

    def extend(
        self,
        completions: Completions,
        observations: Sequence[str],
        sampling: Sampling,
        generator: Generator,
    ) -> Completions:
        """Refuse: a simulated problem has one turn."""
        raise RuntimeError("`extend` must not be called: a simulated problem has one turn")

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


@dataclass
class State:
    """What `train` changes beside the learner."""

    generator: Generator
    step: int = 0  # steps done
    rollouts: int = 0  # completions made, those of rejected groups too
    rollout: Rollout | None = None  # of the last step
    abs_advantages: Floats = field(default_factory=lambda: np.zeros((0, 0)))  # of it, (P, G)


def start(seed: int) -> State:
    """Return the state of a run that has done no step."""
    return State(torch.Generator().manual_seed(seed))


def train(
    envs: Envs,
    learner: SimulatedLearner,
    max_rollouts: int,
    state: State,
    keep: Filter | None = None,
) -> Iterator[dict[str, Any]]:
    """Train `learner` until it has made `max_rollouts` completions, yielding the metrics of each step.

    A filter spends the same budget on fewer steps, for what it rejects has been made too.

    Raises:
        ValueError: If the groups have one completion, which has no advantage.
    """
    base = unwrap_vector(envs)
    if base.group_size < 2:
        raise ValueError(f"`group_size` must be at least 2, got {base.group_size}")
    while state.rollouts < max_rollouts:
        # Pose P problems, and sample G outcomes of each.
        at = None if keep is None else keep.at(state.step)
        rollout = collect(envs, learner, Sampling(), state.generator, filter=at)
        advantages = learner.advantages(rollout.rewards.numpy().astype(np.float64))  # (P, G)

        # The curriculum hears of the batch before the learner learns from it.
        taught = teach(envs, np.abs(advantages))

        # Improve the skills.
        levels, problem_seeds = rollout.infos["level"], rollout.infos["problem_seed"]
        correct = rollout.correct.numpy()
        before = learner.logprobs(levels, problem_seeds, correct)
        learner.improve(levels, problem_seeds, correct, advantages)
        if asks_after(envs):
            change = learner.logprobs(levels, problem_seeds, correct) - before
            tell_after(envs, Updated(advantages, change, np.ones_like(correct)))
        state.step += 1
        state.rollouts += rollout.correct.numel() + rollout.num_extra_rollouts
        state.rollout, state.abs_advantages = rollout, np.abs(advantages)
        yield {
            "step": state.step,
            "accuracy": rollout.correct.numpy().mean(),
            "effective_prompts": spread(rollout.rewards.numpy()).mean(),  # among those trained on
            "num_extra_rollouts": rollout.num_extra_rollouts,
            **taught,
        }
