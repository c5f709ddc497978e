"""Load the policy of a run: whole, with adapters or sharded, with its engine; and leave out prompts that do not fit it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import torch

from edgewise.agents import distributed
from edgewise.agents.policies.chat import encode_prompt
from edgewise.agents.policies.fast_network import recognises
from edgewise.agents.policies.load import check_device, load_policy, with_engine
from edgewise.agents.policies.lora import Adapters, LoRAPolicy
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import ModelPolicy
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.training.parts import ModelPart, SamplingPart, Setup
from edgewise.agents.training.prompt_limit import UNLIMITED, PromptLimit
from edgewise.env import ReasoningEnv, unwrap
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.lessons.kinds import ProblemLesson
from edgewise.wrappers.vector import Curriculum


def make_policy(model: ModelPart) -> ModelPolicy:
    """Load the initial policy, with the engine that samples for it.

    Raises:
        ImportError: If adapters are asked for and peft is not installed, or an engine is not.
        ConnectionError: If there is no such server.
        ValueError: If there is no such model, or its adapters or its engine are refused.
    """
    return with_engine(make_learner(model), model.engine, model.engine_folder)


def make_learner(model: ModelPart) -> TransformersPolicy:
    """Load the initial policy, which samples for itself.

    Raises:
        ImportError: If adapters are asked for and peft is not installed.
        ValueError: If there is no such model, or its adapters are refused.
    """
    policy = make_sharded(model) if model.sharded else make_whole(model)
    policy.gradient_checkpointing = model.gradient_checkpointing
    policy.budget.tokens = model.max_tokens_per_pass
    policy.chat = model.chat
    if model.endless:
        policy.positions = None
    if model.decode_dtype is not None:
        if not recognises(policy.model):
            raise ValueError(
                "`decode_dtype` must be left out but for small Qwen2 and Llama models on the "
                f"processor, without adapters, got {model.decode_dtype!r}"
            )
        policy.decode_dtype = getattr(torch, model.decode_dtype)
    return policy


def make_whole(model: ModelPart) -> TransformersPolicy:
    """Load the whole model on this rank, with its adapters."""
    policy = load_policy(model.agent, model.dtype, distributed.device(model.device))
    if model.adapters is None:
        return policy
    part = model.adapters
    adapters = Adapters(part.rank, part.alpha, part.targets, part.dropout)
    return LoRAPolicy(policy.model, policy.tokenizer, adapters)


def make_sharded(model: ModelPart) -> TransformersPolicy:
    """Load the model sharded over the ranks.

    Raises:
        ImportError: If torch is too old.
        ValueError: If there is only one rank.
    """
    if distributed.num_ranks() == 1:
        raise ValueError(
            "`sharding` fsdp must have several processes, got 1; "
            "start them with torchrun --nproc-per-node N -m edgewise train ..."
        )
    from edgewise.agents.policies.sharded import ShardedPolicy

    dtype, device = getattr(torch, model.dtype), distributed.device(model.device)
    check_device(device)
    policy = load_policy(model.agent)
    return ShardedPolicy(policy.model, policy.tokenizer, dtype, device)


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
