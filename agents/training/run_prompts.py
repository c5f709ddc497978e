"""The prompt limit of a run, and the problems that it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium as gym

from edgewise.agents.policies.chat import encode_prompt
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import ModelPolicy
from edgewise.agents.training.parts import SamplingPart, Setup
from edgewise.agents.training.prompt_limit import UNLIMITED, PromptLimit
from edgewise.env import ReasoningEnv, unwrap
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.lessons.kinds import ProblemLesson
from edgewise.wrappers.vector import Curriculum


def limit_of(
    part: SamplingPart, policy: ModelPolicy, members: Sequence[ReasoningEnv]
) -> PromptLimit | None:
    """Return the prompt limit of a run; None for any length."""
    return limit_for(policy, part.sampling(members), part.max_prompt_tokens)


def limit_for(
    policy: ModelPolicy, sampling: Sampling, max_prompt_tokens: int | None = None
) -> PromptLimit | None:
    """Return the prompt limit of `policy`; None for any length."""
    if max_prompt_tokens == UNLIMITED:
        return None
    tokens_of = partial(encode_prompt, policy.tokenizer)
    places = policy.positions, sampling.max_tokens, max_prompt_tokens
    return PromptLimit(tokens_of, policy.render, *places)


def check_prompts(setup: Setup, policy: ModelPolicy, members: Sequence[ReasoningEnv]) -> list[str]:
    """Measure prompts of training and evaluation; return a note for each arm with some left out.

    Raises:
        ValueError: If no problem of an arm, or of a level that is scored, fits the model.
    """
    limit = limit_of(setup.sampling, policy, members)
    if limit is None:
        return []
    lines = [line for member in members for line in limit.check(member)]
    options = setup.problems.options(split=setup.evaluation.split)
    for env_id in setup.problems.ids if setup.evaluate else ():
        scored = unwrap(gym.make(env_id, **options))
        lines += limit.check(scored, [{"level": level} for level in scored.preset.levels])
    return list(dict.fromkeys(lines))


def screened_pool(envs: Curriculum) -> dict[str, Any]:
    """Return the pool of a rule over problems for the record, if prompts were left out of it.

    For the environment alone would then draw another one.
    """
    lesson = envs.lesson
    if not isinstance(lesson, ProblemLesson) or not unwrap_vector(envs).env.num_unfit:
        return {}
    return {"pool": lesson.pool()}
