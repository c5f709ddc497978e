"""Load the policy of a run: whole, with adapters or sharded, with the engine that samples for it."""

from __future__ import annotations

import torch

from edgewise.agents import distributed
from edgewise.agents.policies.fast_network import recognises
from edgewise.agents.policies.load import check_device, load_policy, with_engine
from edgewise.agents.policies.lora import Adapters, LoRAPolicy
from edgewise.agents.policies.policy import ModelPolicy
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.training.parts import ModelPart


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
