"""Ask a policy for samples of given problems, and score it on the fixed problems of a split.

`ask` is the only loop that samples without training: training's looks, `edgewise eval`, profiles,
studies and SOAR's students ask by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import gymnasium as gym
import torch

from edgewise.agents.algorithms.rollout import Envs, Rollout, collect
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Sampler
from edgewise.agents.training.flags import EvaluationPlan
from edgewise.agents.training.prompt_limit import PromptLimit
from edgewise.agents.training.scores import Asker, LevelScore, Options, Verdicts, score_levels
from edgewise.env import unwrap
from edgewise.frame import Render
from edgewise.wrappers import vector

BATCH = 512  # completions at a time
Problem = TypeVar("Problem")
Groups = list[dict[str, Any]]  # options of `reset`, one for each group
Pose = Callable[[Sequence[Problem], int], tuple[Envs, Groups]]


def ask(
    policy: Sampler,
    problems: Sequence[Problem],
    num_samples: int,
    sampling: Sampling,
    generator: torch.Generator,
    pose: Pose[Problem],
    batch: int = BATCH,
) -> Iterator[Rollout]:
    """Sample answers to problems, in batches of whole problems and in their order.

    Args:
        policy: Answers.
        problems: What `pose` takes.
        num_samples: Answers to each.
        sampling: How completions are drawn.
        generator: Of the sampled tokens of all batches.
        pose: Makes the environments of some problems and the number of samples, and the options with
            which they pose them.
        batch: Completions at a time; at least those of one problem.
    """
    width = max(1, batch // num_samples)
    for first in range(0, len(problems), width):
        envs, groups = pose(problems[first : first + width], num_samples)
        with torch.no_grad():
            rollout = collect(envs, policy, sampling, generator, options={"groups": groups})
        yield rollout


def verdicts(rollouts: Iterable[Rollout], num_samples: int) -> Verdicts:
    """Collect the verdicts on the answers of `ask`."""
    parts = [
        Verdicts(
            *(
                column.double().cpu().numpy()
                for column in (
                    rollout.correct,
                    rollout.verified,
                    rollout.formatted,
                    rollout.completions.ended.view(-1, num_samples),
                    rollout.completions.mask.sum(dim=1).view(-1, num_samples),
                )
            )
        )
        for rollout in rollouts
    ]
    return Verdicts.join(parts, num_samples)


def asking(
    policy: Sampler,
    env_id: str,
    sampling: Sampling,
    *,
    split: str,
    render: Render | None = None,
    batch: int = BATCH,
    **env_options: Any,
) -> Asker:
    """Make a policy answer the problems of one environment, for `score_levels`.

    Args:
        policy: Answers.
        env_id: A registered environment of one task.
        sampling: How completions are drawn.
        split: Split of the problems.
        render: Turns the messages of a chat into text, for `PromptFormat`.
        batch: Completions at a time.
        env_options: Keywords of the environment, such as `preset`.
    """
    pose = partial(pose_groups, env_id, {"split": split, **env_options}, render)

    def begin(seed: int) -> Callable[[Sequence[Options], int], Verdicts]:
        generator = torch.Generator().manual_seed(seed)

        def answer(problems: Sequence[Options], num_samples: int) -> Verdicts:
            rollouts = ask(policy, problems, num_samples, sampling, generator, pose, batch)
            return verdicts(rollouts, num_samples)

        return answer

    return begin


def pose_groups(
    env_id: str,
    env_options: Mapping[str, Any],
    render: Render | None,
    problems: Sequence[Options],
    num_samples: int,
) -> tuple[Envs, Groups]:
    """Make the environments of some problems, framed for the model."""
    envs: Envs = gym.make_vec(
        env_id, num_envs=len(problems) * num_samples, group_size=num_samples, **env_options
    )
    return vector.PromptFormat(envs, render=render), [dict(options) for options in problems]


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

    Args:
        policy: Answers.
        env_id: A registered environment of one task.
        plan: Split, counts and seed.
        sampling: How completions are drawn.
        levels: All of the preset by default, also those kept out of training.
        render: Turns the messages of a chat into text, for `PromptFormat`.
        progress: Called with each level's score.
        limit: How long prompts may be; by default anything. Problems with longer ones are left out.
        env_options: Keywords of the environment, such as `preset`.

    Example:
        >>> from edgewise.agents import load_policy
        >>> policy, plan = load_policy("seedling"), EvaluationPlan(num_problems=2, num_samples=2, k=2)
        >>> names = {"levels": [1], "preset": "seedling", "render": policy.render}
        >>> scores = evaluate(policy, "Countdown-v0", plan, Sampling(max_tokens=8), **names)
        >>> [(score.level, score.num_problems) for score in scores]
        [(1, 2)]

    Raises:
        ValueError: If no problem of a level fits.
    """
    env = unwrap(gym.make(env_id, split=plan.split, **env_options))
    asker = asking(policy, env_id, sampling, split=plan.split, render=render, **env_options)
    return score_levels(asker, env, plan, levels=levels, progress=progress, limit=limit)
