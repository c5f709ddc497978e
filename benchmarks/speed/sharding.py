"""Sharding: what a rank of a divided model holds, and what giving its weights to an engine takes.

    torchrun --nproc-per-node 2 -m edgewise.benchmarks.speed.sharding

A model with random weights is divided over the ranks. Printed are, of rank 0, the megabytes of its shard,
and by how many megabytes its memory rises, and how many CPU-seconds go, when the weights are gathered one
by one, as for an engine, and all at once, as for sampling without one. The peak is `VmHWM` of Linux, set
back before, less `VmRSS` then; the allocator should give back what is freed
(`MALLOC_MMAP_THRESHOLD_=65536`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from edgewise.agents import distributed
from edgewise.agents.policies.sharded import ShardedPolicy
from edgewise.agents.seedlings.pretrain import build_tokenizer
from edgewise.benchmarks.speed.memory import RESET, kilobytes

SIZES: dict[str, Any] = {
    "vocab_size": 8_192,
    "hidden_size": 512,
    "intermediate_size": 2_048,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}


def make_policy() -> ShardedPolicy:
    """Return a model with random weights, divided over the ranks."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = Qwen2ForCausalLM(Qwen2Config(**SIZES, **ends))
    return ShardedPolicy(model, tokenizer, torch.float32, torch.device("cpu"))


def one_by_one(policy: ShardedPolicy) -> None:
    """Read all weights, as an engine does."""
    for _ in policy.whole().values():
        pass


def at_once(policy: ShardedPolicy) -> None:
    """Hold all weights, as sampling without an engine does."""
    with policy.unsharded():
        pass


def measured(work: Callable[[ShardedPolicy], None], policy: ShardedPolicy) -> tuple[float, float]:
    """Return the megabytes by which the memory rises in `work`, and its CPU-seconds."""
    distributed.barrier()
    RESET.write_text("5")
    before, began = kilobytes("VmRSS"), time.process_time()
    work(policy)
    seconds = time.process_time() - began
    return 1024 * (kilobytes("VmHWM") - before) / 1e6, seconds


def main() -> None:
    """Print the figures of rank 0."""
    with distributed.process_group():
        policy = make_policy()
        shards: list[Any] = list(policy.parameters())
        held = sum(4 * shard.to_local().numel() for shard in shards) / 1e6
        found = {work.__name__: measured(work, policy) for work in (one_by_one, at_once)}
        if distributed.rank() > 0:
            return
        print(
            f"model {sum(4 * shard.numel() for shard in shards) / 1e6:.0f} MB, held {held:.0f} MB"
        )
        for name, (megabytes, seconds) in found.items():
            print(f"{name}: {megabytes:.0f} MB, {seconds:.2f} CPU-seconds")


if __name__ == "__main__":
    main()
