"""How good a policy is on the fixed problems of a split: pass@1 with an interval, and pass@k."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import comb
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.agents.algorithms.rollout import Envs, collect
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Sampler
from edgewise.agents.training.prompt_limit import PromptLimit
from edgewise.env import evaluation_set, unwrap
from edgewise.frame import Render
from edgewise.wrappers import vector

BATCH = 512  # completions at a time
KEYS = ("correct", "verified", "formatted", "ended", "length")
Z = 1.96  # two-sided 95 % of the normal distribution


@dataclass(frozen=True)
class LevelScore:
    """What a policy scores on one level; all but the counts and k are fractions or tokens."""

    env: str
    level: int
    ood: bool  # whether the level is kept out of training
    num_problems: int
    num_samples: int  # of each problem, for pass@1
    pass_at_1: float
    low: float  # of the 95 % interval of pass@1, over problems
    high: float
    k: int
    pass_at_k: float  # over the first `num_pass_k` problems
    num_pass_k: int
    format_rate: float  # completions in which an answer was found
    truncated: float  # completions that reached the token limit
    mean_length: float  # tokens
    num_too_long: int = 0  # problems that are not among these, since the model has no room for them
    unverified: int = 0  # completions without a verdict, which are left out of pass@1 and pass@k


@dataclass(frozen=True)
class EvaluationPlan:
    """What is asked of each level."""

    num_problems: int = 200
    """Problems of each level: the first of its fixed set."""
    num_samples: int = 8
    """Completions of each problem, for pass@1."""
    k: int = 32
    """Completions of each of the first problems, for pass@k."""
    num_pass_k: int = 50
    """How many problems those are."""
    split: str = "test"
    """Split of the problems: validation or test; choose nothing by the test split."""
    seed: int = 0
    """Seed of the sampled tokens."""

    def __post_init__(self) -> None:
        """Check the counts."""
        for name in ("num_problems", "num_samples", "k"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")


def evaluate(
    policy: Sampler,
    env_id: str,
    plan: EvaluationPlan,
    sampling: Sampling,
    *,
    levels: Sequence[int] | None = None,
    render: Render | None = None,
    progress: Callable[[LevelScore], None] = lambda score: None,
    limit: PromptLimit | None = None,
    **env_options: Any,
) -> list[LevelScore]:
    """Score `policy` on each level; the problems and the sampled tokens are fixed by `plan`.

    Problems whose prompts do not fit are left out, and count neither as right nor as wrong.

    Args:
        policy: Answers.
        env_id: A registered environment of one task.
        plan: Split, counts and seed.
        sampling: How completions are drawn.
        levels: All of the preset by default, also those kept out of training.
        render: Turns the messages of a chat into text, for `PromptFormat`.
        progress: Called with each level's score.
        limit: How long prompts may be; by default anything.
        env_options: Keywords of the environment, such as `preset`.

    Raises:
        ValueError: If no problem of a level fits.
    """
    single = unwrap(gym.make(env_id, split=plan.split, **env_options))
    scores = []
    for level in single.preset.levels if levels is None else levels:
        fixed = evaluation_set(single, level, plan.num_problems)
        problems = fixed if limit is None else limit.fitting(single, fixed)
        if limit is not None and not problems:
            limit.check(single, [{"level": level}])
        generator = torch.Generator().manual_seed(plan.seed * 1_000 + level)
        deep = problems[: plan.num_pass_k] if plan.k > plan.num_samples else []
        arguments = (policy, env_id, env_options, plan, sampling, generator, render)
        parts = [
            sample(problems[: len(deep)], max(plan.k, plan.num_samples), *arguments),
            sample(problems[len(deep) :], plan.num_samples, *arguments),
        ]
        score = summarize(env_id, level, level in single.preset.ood, parts, plan)
        score = replace(score, num_too_long=len(fixed) - len(problems))
        progress(score)
        scores.append(score)
    return scores


Samples = dict[str, NDArray[np.float64]]  # of each of KEYS, (N, samples)


def sample(
    problems: Sequence[Mapping[str, Any]],
    num_samples: int,
    policy: Sampler,
    env_id: str,
    env_options: Mapping[str, Any],
    plan: EvaluationPlan,
    sampling: Sampling,
    generator: torch.Generator,
    render: Render | None,
) -> Samples:
    """Answer each of N problems `num_samples` times."""
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in KEYS}
    width = max(1, BATCH // num_samples)
    for first in range(0, len(problems), width):
        groups = [dict(options) for options in problems[first : first + width]]
        envs: Envs = gym.make_vec(
            env_id,
            num_envs=len(groups) * num_samples,
            group_size=num_samples,
            split=plan.split,
            **env_options,
        )
        envs = vector.PromptFormat(envs, render=render)
        rollout = collect(envs, policy, sampling, generator, options={"groups": groups})
        completions = rollout.completions
        columns = (
            rollout.correct,
            rollout.verified,
            rollout.formatted,
            completions.ended.view(-1, num_samples),
            completions.mask.sum(dim=1).view(-1, num_samples),
        )
        for name, column in zip(KEYS, columns, strict=True):
            found[name].append(column.double().cpu().numpy())
    empty = np.zeros((0, num_samples))
    return {name: np.concatenate([empty, *arrays]) for name, arrays in found.items()}


def summarize(
    env_id: str, level: int, ood: bool, parts: Sequence[Samples], plan: EvaluationPlan
) -> LevelScore:
    """Return the score of a level; `parts` are samples of the problems for pass@k, and the others.

    What could not be verified is left out, and so is a problem of which nothing could.
    """
    first = {
        name: np.concatenate([part[name][:, : plan.num_samples] for part in parts]) for name in KEYS
    }
    counts = first["verified"].sum(axis=1)
    rates = first["correct"].sum(axis=1)[counts > 0] / counts[counts > 0]  # of each problem
    error = Z * rates.std(ddof=1) / np.sqrt(len(rates)) if len(rates) > 1 else 1.0
    deep = parts[0] if len(parts[0]["correct"]) else first
    right, verified = (deep[name].sum(axis=1).astype(int) for name in ("correct", "verified"))
    k = min(plan.k, deep["correct"].shape[1])
    solved = [pass_at_k(n, c, min(k, n)) for n, c in zip(verified, right, strict=True) if n]
    return LevelScore(
        env=env_id,
        level=level,
        ood=ood,
        num_problems=len(rates),
        num_samples=plan.num_samples,
        pass_at_1=float(rates.mean()),
        low=float(max(0.0, rates.mean() - error)),
        high=float(min(1.0, rates.mean() + error)),
        k=k,
        pass_at_k=float(np.mean(solved)),
        num_pass_k=len(solved),
        format_rate=float(first["formatted"].mean()),
        truncated=float(1 - first["ended"].mean()),
        mean_length=float(first["length"].mean()),
        unverified=int(sum((1 - part["verified"]).sum() for part in parts)),
    )


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Return the unbiased estimate of the chance that one of k samples is right.

    1 - C(n - c, k) / C(n, k), of Chen et al. (2021), arXiv 2107.03374.

    >>> pass_at_k(4, 1, 2)
    0.5
    """
    return 1 - comb(num_samples - num_correct, k) / comb(num_samples, k)


def as_records(scores: Sequence[LevelScore]) -> dict[str, Any]:
    """Return the scores for JSON, with the mean pass@1 of the training and of the OOD levels."""
    means = {
        name: float(np.mean(values)) if values else None
        for name, values in (
            ("mean", [score.pass_at_1 for score in scores if not score.ood]),
            ("mean_ood", [score.pass_at_1 for score in scores if score.ood]),
        )
    }
    return {"levels": [asdict(score) for score in scores], **means}
