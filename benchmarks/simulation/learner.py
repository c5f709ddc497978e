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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Generator

from edgewise.agents.algorithms.filters import Filter
from edgewise.agents.algorithms.rollout import Envs, Rollout, collect
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Completions
from edgewise.benchmarks.simulation.env import RIGHT, WRONG
from edgewise.benchmarks.simulation.skills import Skills
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.rules.signal import Floats, Updated, spread
from edgewise.wrappers.vector import asks_after, teach, tell_after


class SimulatedLearner(Skills):
    """A policy with the skills of a world, and its algorithm."""

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, generator: Generator
    ) -> Completions:
        """Answer each of B prompts, "level problem_seed", right or wrong."""
        distinct = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
        named = np.array([prompt.split() for prompt in distinct], np.int64)  # (P, 2)
        levels, problem_seeds = named.T
        p = self.chances(levels, problem_seeds)[[distinct[prompt] for prompt in prompts]]  # (B,)
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
