"""The policy that a run trains: whole, with adapters or divided, and the engine that samples for it."""

from __future__ import annotations

from pathlib import Path

import torch

from edgewise.agents import distributed
from edgewise.agents.policies.fast_network import recognises
from edgewise.agents.policies.load import check_device, load_policy, with_engine
from edgewise.agents.policies.lora import Adapters, LoRAPolicy
from edgewise.agents.policies.policy import ModelPolicy
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.training.config import TrainConfig
from edgewise.agents.training.prompt_limit import UNLIMITED


def make_policy(config: TrainConfig) -> ModelPolicy:
    """Return the policy to train, as it is at the start, with the engine that samples for it.

    Raises:
        ImportError: If adapters are asked for and peft is not installed, or an engine is not.
        ConnectionError: If there is no such server.
        ValueError: If there is no such model, or its adapters or its engine are refused.
    """
    policy = make_sharded(config) if config.sharding == "fsdp" else make_whole(config)
    policy.gradient_checkpointing = config.gradient_checkpointing
    policy.chat = config.chat
    if config.max_prompt_tokens == UNLIMITED:
        policy.positions = None
    if config.decode_dtype is not None:
        if not recognises(policy.model):
            raise ValueError(
                "`decode_dtype` must be left out but for small Qwen2 and Llama models on the "
                f"processor, without adapters, got {config.decode_dtype!r}"
            )
        policy.decode_dtype = getattr(torch, config.decode_dtype)
    folder = None if config.engine_folder is None else Path(config.engine_folder)
    return with_engine(policy, config.engine, folder)


def make_whole(config: TrainConfig) -> TransformersPolicy:
    """Return the policy to train, all of it on this rank, with its adapters."""
    policy = load_policy(config.agent, config.dtype, distributed.device(config.device))
    if config.lora_rank is None:
        return policy
    alpha = 2 * config.lora_rank if config.lora_alpha is None else config.lora_alpha
    adapters = Adapters(config.lora_rank, alpha, config.lora_targets)
    return LoRAPolicy(policy.model, policy.tokenizer, adapters)


def make_sharded(config: TrainConfig) -> TransformersPolicy:
    """Return the policy to train, divided among the ranks.

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

    dtype, device = getattr(torch, config.dtype), distributed.device(config.device)
    check_device(device)
    policy = load_policy(config.agent)
    return ShardedPolicy(policy.model, policy.tokenizer, dtype, device)
