"""What a run is told of its model's prompts: how long they may be, and what its chats say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium as gym

from edgewise.agents.policies.chat import encode_prompt
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import ModelPolicy
from edgewise.agents.training.config import TrainConfig
from edgewise.agents.training.prompt_limit import UNLIMITED, PromptLimit
from edgewise.env import ReasoningEnv, unwrap
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.problem_lesson import ProblemLesson
from edgewise.wrappers.vector import Curriculum


def sampling_of(config: TrainConfig, members: Sequence[ReasoningEnv]) -> Sampling:
    """Return how completions are drawn for all tasks of a run."""
    frames = [member.preset.frame for member in members]
    return Sampling(
        max_tokens=config.max_tokens or max(frame.max_completion_tokens for frame in frames),
        temperature=config.temperature,
        stop=tuple(sorted({stop for frame in frames for stop in frame.stop})),
        logprobs=config.logprobs,
    )


def limit_of(
    config: TrainConfig, policy: ModelPolicy, members: Sequence[ReasoningEnv]
) -> PromptLimit | None:
    """Return how long the prompts of a run may be; None for any length."""
    return limit_for(policy, sampling_of(config, members), config.max_prompt_tokens)


def limit_for(
    policy: ModelPolicy, sampling: Sampling, max_prompt_tokens: int | None = None
) -> PromptLimit | None:
    """Return how long the prompts of `policy` may be; None for any length."""
    if max_prompt_tokens == UNLIMITED:
        return None
    tokens_of = partial(encode_prompt, policy.tokenizer)
    places = policy.positions, sampling.max_tokens, max_prompt_tokens
    return PromptLimit(tokens_of, policy.render, *places)


def check_prompts(
    config: TrainConfig, policy: ModelPolicy, members: Sequence[ReasoningEnv]
) -> list[str]:
    """Measure prompts that a run would train and be scored on; return what is left out, in lines.

    Raises:
        ValueError: If no problem of an arm, or of a level that is scored, fits the model.
    """
    limit = limit_of(config, policy, members)
    if limit is None:
        return []
    lines = [line for member in members for line in limit.check(member)]
    for env_id in config.env.split(",") if config.evaluate else ():
        options = {"preset": config.preset, "split": config.evaluation.split, **config.keywords}
        scored = unwrap(gym.make(env_id, **options))
        lines += limit.check(scored, [{"level": level} for level in scored.preset.levels])
    return list(dict.fromkeys(lines))


def screened_pool(envs: Curriculum) -> dict[str, Any]:
    """Return the pool of a rule over problems for a record, if some problems did not fit it.

    For the environment alone would then draw another one.
    """
    lesson = envs.lesson
    if not isinstance(lesson, ProblemLesson) or not unwrap_vector(envs).env.num_unfit:
        return {}
    return {"pool": lesson.pool()}
