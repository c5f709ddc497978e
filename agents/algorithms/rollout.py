"""Collect one batch: P problems, G completions of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Generator, Tensor

from edgewise.agents.algorithms.anticipation import anticipated
from edgewise.agents.algorithms.filters import Filter, kept_by, prepare, screened
from edgewise.agents.algorithms.finite import refuse_nonfinite
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Completions, Sampler, blank
from edgewise.pool import refuse_unverified
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.lessons.batch import Gather
from edgewise.wrappers.vector import curriculum_of

Envs = VectorEnv[tuple[str, ...], Sequence[str | None], NDArray[Any]]


@dataclass(frozen=True)
class Rollout:
    """A batch of all ranks: P groups of at most G completions, B in all."""

    completions: Completions  # B, group by group
    infos: dict[str, NDArray[Any]]  # of `reset`, for each problem, P: "problem", "level", ...
    rewards: Tensor  # (P, G)
    correct: Tensor  # (P, G)
    formatted: Tensor  # (P, G) whether an answer was found
    made: Tensor  # (P, G) whether there is a completion; all are where groups are of one size
    verified: Tensor  # (P, G) whether it has a verdict; the others are not correct, and earn 0
    num_extra_rollouts: int  # completions of groups that a filter rejected
    num_extra_tokens: int = 0  # sampled for those

    def metrics(self) -> dict[str, float]:
        """Return the metrics of a batch that all algorithms log; fractions are in [0, 1].

        Rewards and accuracy are those of the verified completions.
        """
        mask, ended = self.completions.mask, self.completions.ended
        rewards = self.rewards[self.verified]
        lowest = self.rewards.masked_fill(~self.verified, torch.inf).amin(dim=1)
        highest = self.rewards.masked_fill(~self.verified, -torch.inf).amax(dim=1)
        equal = (highest == lowest)[self.verified.any(dim=1)]
        return {
            "reward": rewards.mean().item(),
            "reward_std": rewards.std().item(),
            "accuracy": self.correct[self.verified].float().mean().item(),
            "unverified": int((self.made & ~self.verified).sum()),
            "level": float(self.infos["level"].mean()),
            "format_rate": self.formatted[self.made].float().mean().item(),
            "frac_reward_zero_std": equal.float().mean().item(),
            "completions/mean_length": mask.sum(dim=1).mean().item(),  # in tokens
            "completions/clipped_ratio": 1 - ended.float().mean().item(),
            "num_tokens": mask.sum().item(),
            "num_extra_rollouts": self.num_extra_rollouts,
            "num_extra_tokens": self.num_extra_tokens,
        }

    def counted(self) -> Completions:
        """Drop the unverified completions, which leaves B' <= B to learn from."""
        counted = self.verified[self.made]
        return (
            self.completions if counted.all() else self.completions.select(counted.nonzero()[:, 0])
        )

    def in_groups(self, values: Tensor) -> Tensor:
        """Scatter `values` of the verified completions, (B',), to (P, G), with 0.0 elsewhere."""
        if self.verified.all():
            return values.view_as(self.rewards)
        return torch.zeros_like(self.rewards).masked_scatter(self.verified, values)


def collect(
    envs: Envs,
    policy: Sampler,
    sampling: Sampling,
    generator: Generator,
    *,
    filter: Filter | None = None,
    options: dict[str, Any] | None = None,
) -> Rollout:
    """Sample completions of a batch of problems; groups that `filter` rejects are drawn again.

    After the rounds of the filter what is left is kept. A curriculum, if there is one, chooses in
    `reset`; `options` of `reset` bypass it. If the curriculum has ranks, `envs` are this rank's; all ranks go
    on until none has a rejected group, and every one returns the groups of all.

    Example:
        >>> import torch
        >>> from edgewise.agents import Sampling, load_policy
        >>> policy = load_policy("seedling")
        >>> envs = gym.make_vec("Countdown-v0", num_envs=8, group_size=4, preset="seedling")
        >>> envs = edgewise.wrappers.vector.PromptFormat(envs, render=policy.render)
        >>> generator = torch.Generator().manual_seed(0)
        >>> rollout = collect(envs, policy, Sampling(max_tokens=8), generator)
        >>> rollout.rewards.shape, len(rollout.completions.texts)
        (torch.Size([2, 4]), 8)

    Raises:
        ValueError: If `filter` screens as many completions as a group has.
        FloatingPointError: If a reward or the log-probability of a token is not finite.
        TooManyUnverified: If more than 1 % of the completions made could not be verified.
    """
    size: int = unwrap_vector(envs).group_size
    if filter is not None:
        prepare(envs, filter, size)
    batch = Batch(envs, policy, sampling, generator)
    rows = np.arange(envs.num_envs)  # of the groups still to be answered
    num_rounds = 1 if filter is None else 1 + filter.rounds
    for turn in range(num_rounds):
        rows = batch.pose(rows, options if turn == 0 else None)
        failed = np.zeros(0, np.int64)  # groups that are not worth completing
        if filter is not None and filter.num_screened and turn < num_rounds - 1:
            rows, failed = screened(filter, rows, size, batch.answer, batch.outcomes)
        if batch.any_rank_has(rows):
            batch.answer(rows)
        if filter is None:
            break
        rejected = ~kept_by(filter, *batch.outcomes()).numpy()
        rejected[failed] = True
        rows = np.flatnonzero(np.repeat(rejected, size))
        if not batch.any_rank_has(rows):
            break
    return batch.rollout()


class Batch:
    """A batch while it is collected: completions of all ranks, outcomes of this rank's B environments."""

    def __init__(
        self, envs: Envs, policy: Sampler, sampling: Sampling, generator: Generator
    ) -> None:
        """Start without completions."""
        self.envs, self.policy, self.sampling, self.generator = envs, policy, sampling, generator
        base = unwrap_vector(envs)
        self.size: int = base.group_size
        layer = curriculum_of(envs)
        self.gather: Gather = np.asarray if layer is None else layer.lesson.gather
        rank = 0 if layer is None else layer.lesson.rank
        self.offset = rank * envs.num_envs  # of this rank's rows among all
        self.infos: dict[str, NDArray[Any]] = {}  # of `reset`
        self.prompts: tuple[str, ...] = ()
        self.completions: Completions | None = None
        self.rewards = np.zeros(envs.num_envs)
        self.correct, self.formatted = (np.zeros(envs.num_envs, dtype=np.bool_) for _ in range(2))
        self.verified, self.made = (np.ones(envs.num_envs, dtype=np.bool_) for _ in range(2))
        self.num_rollouts, self.num_tokens = 0, 0.0  # made, also of what was rejected
        self.num_unverified = 0  # of those

    def any_rank_has(self, rows: NDArray[Any]) -> bool:
        """Return whether `rows` of any rank are not empty."""
        return bool(self.gather(np.array([len(rows)])).any())

    def pose(self, rows: NDArray[Any], options: dict[str, Any] | None) -> NDArray[Any]:
        """Reset the groups in `rows`, or at first all with `options`; return the rows to answer."""
        mask = np.zeros(self.envs.num_envs, dtype=np.bool_)
        mask[rows] = True
        again = {"reset_mask": mask} if self.completions is not None else options
        self.prompts, infos = self.envs.reset(options=again)
        for key in [key for key in infos if not key.startswith("_")]:
            self.infos.setdefault(key, infos[key].copy())[rows] = infos[key][rows]
        if "size" in self.infos:  # groups differ in it
            before = np.cumsum(self.gather(self.made)) - 1
            self.made = np.arange(self.envs.num_envs) % self.size < self.infos["size"]
            if self.completions is not None:  # of groups posed anew, any until they are answered
                same = before.clip(min=0)[self.gather(self.made)]
                self.completions = self.completions.select(torch.as_tensor(same))
            for earned in (self.rewards, self.correct, self.formatted, self.verified):
                earned[~self.made] = 0  # by an earlier problem
        made: NDArray[Any] = rows[self.made[rows]]
        return made

    def answer(self, rows: NDArray[Any]) -> None:
        """Sample and score completions for the environments in `rows`."""
        prompts = self.gather(np.array(self.prompts, dtype=object)[rows]).tolist()
        own = dict(enumerate(rows.tolist(), self.local_slice(rows).start))
        with anticipated(self.envs, self.policy, own):
            fresh = self.policy.generate(prompts, self.sampling, self.generator)
        fresh, *earned = self.step_until_done(fresh, rows)
        self.rewards[rows], self.correct[rows], self.formatted[rows], self.verified[rows] = earned
        refuse_nonfinite(self.gather(earned[0]), fresh, self.gather(self.infos["problem"][rows]))
        made = self.gather(self.made)
        indices, count = (np.cumsum(made) - 1)[self.gather(rows + self.offset)], int(made.sum())
        if len(indices) == count:
            self.completions = fresh
        else:
            self.completions = (self.completions or blank(count, fresh)).replace(indices, fresh)
        self.num_rollouts += len(indices)
        self.num_tokens += fresh.mask.sum().item()
        self.num_unverified += int((~self.gather(self.verified[rows])).sum())

    def local_slice(self, rows: NDArray[Any]) -> slice:
        """Return the slice of all ranks' completions that belongs to this rank's `rows`."""
        begin = int((self.gather(rows + self.offset) < self.offset).sum())
        return slice(begin, begin + len(rows))

    def step_until_done(
        self, completions: Completions, rows: NDArray[Any]
    ) -> tuple[Completions, NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Step the environments in `rows` until they are done, extending their completions.

        Returns:
            The completions of all ranks with all turns; and of `rows` the rewards, and whether they
            are correct, formatted and verified.
        """
        own = self.local_slice(rows)
        rewards, texts = np.zeros(len(rows)), np.full(len(rows), "", dtype=object)
        correct, formatted, done = (np.zeros(len(rows), np.bool_) for _ in range(3))
        verified = np.ones(len(rows), np.bool_)
        while True:
            if not done.all():
                actions = np.full(self.envs.num_envs, None, dtype=object)
                actions[rows] = completions.texts[own]
                observations, earned, ended, cut, infos = self.envs.step(actions.tolist())
                texts = np.array(observations, dtype=object)[rows]
                rewards += earned[rows]
                correct |= infos["correct"][rows]
                formatted |= infos["formatted"][rows]
                verified &= infos["verified"][rows]
                done = (ended | cut)[rows]
            if self.gather(done).all():
                return completions, rewards * verified, correct & verified, formatted, verified
            further = self.gather(np.where(done, "", texts)).tolist()
            completions = self.policy.extend(completions, further, self.sampling, self.generator)

    def outcomes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return this rank's rewards, correctness and whether verified, (P, G) each."""
        rewards = torch.as_tensor(self.rewards, dtype=torch.float32).view(-1, self.size)
        correct, verified = (
            torch.as_tensor(array).view(-1, self.size) for array in (self.correct, self.verified)
        )
        return rewards, correct, verified

    def rollout(self) -> Rollout:
        """Gather the finished batch from all ranks."""
        assert self.completions is not None
        refuse_unverified(self.num_unverified, self.num_rollouts)
        made = torch.as_tensor(self.gather(self.made)).view(-1, self.size)
        most = slice(0, int(made.sum(dim=1).max()))
        rewards = torch.as_tensor(self.gather(self.rewards), dtype=torch.float32)
        correct, formatted, verified = (
            torch.as_tensor(self.gather(array)).view(-1, self.size)[:, most]
            for array in (self.correct, self.formatted, self.verified)
        )
        return Rollout(
            completions=self.completions,
            infos={key: self.gather(values[:: self.size]) for key, values in self.infos.items()},
            rewards=rewards.view(-1, self.size)[:, most],
            correct=correct,
            formatted=formatted,
            made=made[:, most],
            verified=verified,
            num_extra_rollouts=self.num_rollouts - len(self.completions.texts),
            num_extra_tokens=int(self.num_tokens - self.completions.mask.sum().item()),
        )
