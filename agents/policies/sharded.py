"""A policy whose weights, gradients and optimizer states are sharded over the ranks, by FSDP2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from transformers import AutoModelForCausalLM

from edgewise.agents import distributed
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Completions
from edgewise.agents.policies.transformers import TransformersPolicy


class ShardedPolicy(TransformersPolicy):
    """A `TransformersPolicy` of which every rank holds a shard.

    Shards are float32, the master weights of what is computed in a lower precision. A layer
    is unsharded only while it computes, but for sampling, where the ranks take different numbers of
    steps: there all layers are unsharded, unless an engine samples, to which the weights are given one by
    one. In passes that have a gradient all ranks take part at the same
    time, in equal numbers of passes. Prompts are computed with each of their completions.
    """

    shares_prompts = False

    def __init__(
        self, model: Any, tokenizer: Any, dtype: torch.dtype, device: torch.device
    ) -> None:
        """Shard `model`, on the CPU in float32, over the devices of the ranks.

        Args:
            model: A causal language model, the same on all ranks.
            tokenizer: As for `TransformersPolicy`.
            dtype: Of what is computed.
            device: Of this rank.
        """
        if device.type == "cuda":
            torch.cuda.set_device(device)
        mesh = init_device_mesh(device.type, (distributed.num_ranks(),))
        lower = None if dtype == torch.float32 else dtype
        precision = MixedPrecisionPolicy(param_dtype=lower, reduce_dtype=torch.float32)
        for module in (*model.get_decoder().layers, model):
            fully_shard(module, mesh=mesh, reshard_after_forward=True, mp_policy=precision)
        super().__init__(model, tokenizer, fast=False)
        self.dtype = dtype
        self.budget.in_step = True

    @contextmanager
    def unsharded(self) -> Iterator[None]:
        """Unshard all layers on every rank, so that ranks may take different numbers of steps."""
        parts = [module for module in self.model.modules() if isinstance(module, FSDPModule)]
        for part in parts:
            part.set_reshard_after_forward(False, recurse=False)
            part.unshard()
        try:
            yield
        finally:
            for part in parts:
                part.reshard()
                part.set_reshard_after_forward(True, recurse=False)

    def whole(self) -> Mapping[str, Tensor]:
        """Return the weights of the whole model, each gathered when it is read; all ranks must read it."""
        return Gathered(self.state_dict(), self.dtype)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Give rank 0 the weights that `save` writes, in float32; all ranks must enter it."""
        weights = self.model.named_parameters()
        self.saved_weights = {
            name: distributed.full_tensor(weight.detach()) for name, weight in weights
        }
        try:
            yield
        finally:
            self.saved_weights = None

    @torch.no_grad()
    def restore(self, folder: str | Path) -> None:
        """Load the weights that `save` wrote to `folder`."""
        saved = TransformersPolicy.load(folder)
        for weight, value in zip(self.parameters(), saved.parameters(), strict=True):
            weight.copy_(distributed.distribute_like(value.detach(), weight))

    @torch.no_grad()
    def frozen(self) -> ShardedPolicy:
        """Return the policy as it is now, sharded likewise."""
        with torch.random.fork_rng(devices=[]):  # of weights that are written over
            auto: Any = AutoModelForCausalLM
            model = auto.from_config(self.model.config, dtype=torch.float32)
        parts: Iterable[Any] = self.parameters()
        for weight, value in zip(model.parameters(), parts, strict=True):
            weight.copy_(value.full_tensor())
        return ShardedPolicy(model, self.tokenizer, self.dtype, self.ends.device)

    def take_turn(
        self, start: Completions, rows: Tensor, sampling: Sampling, generator: Generator
    ) -> Completions:
        """Append a turn to `rows` of `start`; every rank returns those of all."""
        with self.unsharded():
            return super().take_turn(start, rows, sampling, generator)


class Gathered(Mapping[str, Tensor]):
    """Sharded weights by name, of which each is gathered when it is read, and held by nobody else."""

    def __init__(self, shards: Mapping[str, Any], dtype: torch.dtype) -> None:
        """Take the shards of this rank, and the precision of what is gathered."""
        self.shards, self.dtype = shards, dtype

    def __getitem__(self, name: str) -> Tensor:
        """Gather one from all ranks."""
        weight: Tensor = self.shards[name].full_tensor()
        return weight.to(self.dtype)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.shards)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.shards)
