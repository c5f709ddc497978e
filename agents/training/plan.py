"""Plan a training run: its memory, its time, and what would make it fit, without loading weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

from edgewise.agents.policies.options import OWN, SERVERS, vllm_settings
from edgewise.agents.training.config import complete
from edgewise.agents.training.memory_plan import Plan, Work, plan_of
from edgewise.agents.training.model_shapes import shape_of
from edgewise.agents.training.parts import ModelPart, Setup, make_hyperparameters
from edgewise.agents.training.plan_config import PreflightConfig, read_size
from edgewise.env import unwrap

PROCESSES = (2, 4, 8, 16, 32)  # that are tried
LEAST_TOKENS = 64  # of a completion that is suggested
SHARDED_PASS = 16_384  # tokens of a pass where a model is sharded, unless fewer are asked for
LEAST_PASS = 4_096  # tokens of a pass that are suggested
CPUINFO = Path("/proc/cpuinfo")
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # instructions of processors
SLOW = (
    "bfloat16 is slow on a processor without instructions for it: a step of decoding took 3,014 ms "
    "where float32 took 678"
)


@dataclass(frozen=True)
class RunPlan:
    """What a run needs of each process, and what it computes."""

    setup: Setup
    memory: int  # bytes of the device that is planned for
    plan: Plan
    mean_tokens: int  # of a completion
    flops: float  # of a step, all processes together
    tokens_per_second: float | None  # that are sampled and learned from
    warnings: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Return whether the device has what is needed."""
        return self.plan.needs() <= self.memory

    @property
    def tokens(self) -> int:
        """Tokens that are sampled in a step."""
        batch = self.setup.batch
        return batch.num_problems * batch.group_size * self.mean_tokens


def plan_run(config: PreflightConfig) -> RunPlan:
    """Plan the run of `config`.

    Raises:
        ValueError: If any part of it is refused, its model's sizes or the memory are not known.
    """
    setup = complete(config).setup
    memory = memory_of(config.memory, config.device)
    members = [
        unwrap(gym.make(env_id, **setup.problems.options(levels=setup.problems.levels)))
        for env_id in setup.problems.ids
    ]
    sampling = setup.sampling.sampling(members)
    prompt = setup.sampling.max_prompt_tokens
    longest = prompt or max(member.preset.frame.max_prompt_tokens for member in members)
    hyperparameters = make_hyperparameters(setup.algorithm, sampling)
    work = work_of(config, setup, hyperparameters, longest + sampling.max_tokens)
    mean = config.mean_tokens or sampling.max_tokens
    passes = (
        6 + 2 * work.checkpointing + 2 * work.reference
    )  # floating-point operations of a weight
    passes += 2 * (hyperparameters.importance_cap is not None)
    rows = setup.batch.num_problems * setup.batch.group_size
    tokens = rows * (longest + mean) * (hyperparameters.num_epochs * passes + 2)
    return RunPlan(
        setup=setup,
        memory=memory,
        plan=plan_of(work, memory),
        mean_tokens=mean,
        flops=float(tokens * work.shape.num_parameters),
        tokens_per_second=config.tokens_per_second,
        warnings=tuple(warnings_of(work)),
    )


def work_of(config: PreflightConfig, setup: Setup, hyperparameters: Any, row_tokens: int) -> Work:
    """Return what memory depends on, of one process.

    Raises:
        ValueError: If the model's sizes are not known, or the processes are refused.
    """
    model, batch, processes = setup.model, setup.batch, config.processes
    shape = shape_of(model.agent)
    if model.sharded and processes == 1:
        raise ValueError(
            "`processes` must be at least 2 with `sharding` fsdp, got 1; give --processes 8"
        )
    rows = batch.num_problems * batch.group_size
    positions = shape.config.get("max_position_embeddings") or row_tokens
    return Work(
        shape=shape,
        dtype=model.dtype,
        device=model.device,
        num_processes=processes,
        sharded=model.sharded,
        checkpointing=model.gradient_checkpointing,
        reference=hyperparameters.kl_coef > 0,
        adapters=None
        if model.adapters is None
        else (model.adapters.rank, tuple(model.adapters.targets)),
        engine_share=share_of(model),
        samples_itself=model.engine == OWN,
        decode_dtype=model.decode_dtype or model.dtype,
        rows=ceil(rows / processes),
        minibatch=ceil(rows / hyperparameters.num_minibatches / processes),
        row_tokens=min(row_tokens, positions),
        max_tokens_per_pass=model.max_tokens_per_pass,
    )


def share_of(model: ModelPart) -> float:
    """Return the share of the device's memory that an engine in the process takes."""
    if model.engine == OWN or model.engine.startswith(SERVERS):
        return 0.0
    return vllm_settings(model.engine).gpu_memory_utilization


def memory_of(memory: str | None, device: str) -> int:
    """Return the bytes that are planned for: those given, or those of `device`.

    Raises:
        ValueError: If they are not given, and there is no GPU.
    """
    if memory is not None:
        return read_size(memory)
    if device == "cpu":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory)
    raise ValueError("`memory` must be given where there is no GPU; give --memory 141GB")


def warnings_of(work: Work, cpuinfo: Path = CPUINFO) -> Iterator[str]:
    """Yield what is slow where the run is."""
    if work.device == "cpu" and "bfloat16" in (work.dtype, work.decode_dtype) and cpuinfo.is_file():
        words = set(cpuinfo.read_text(encoding="utf-8", errors="replace").split())
        if not words & BFLOAT16:
            yield SLOW


def remedy(config: PreflightConfig) -> str | None:
    """Return the flags that make a run fit, the fewest and mildest; None if none of those tried does."""
    mild, strong = list(changes(config)), list(other_runs(config))
    counts = [(mild, 1), (mild, 2), (mild, 3), *((mild + strong, count) for count in (1, 2, 3))]
    for known, count in counts:
        for chosen in combinations(known, count):
            changed: dict[str, Any] = {}
            for _, fields in chosen:
                changed |= fields
            with suppress(ValueError):  # flags that exclude each other
                if plan_run(replace(config, **changed)).fits:
                    return " ".join(words for words, _ in chosen)
    return None


def changes(config: PreflightConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield flags that take less memory for the same training, with the fields that they set."""
    if not config.gradient_checkpointing:
        yield "--gradient-checkpointing", {"gradient_checkpointing": True}
    if config.device == "cuda" and config.dtype == "float32" and config.sharding == "none":
        yield "--dtype bfloat16", {"dtype": "bfloat16"}
    tokens = config.max_tokens_per_pass // 2
    while config.sharding == "fsdp" and tokens >= LEAST_PASS:
        yield f"--max-tokens-per-pass {tokens}", {"max_tokens_per_pass": tokens}
        tokens //= 2
    if config.engine.startswith("vllm"):
        for share in (0.2, 0.1):
            engine = f"vllm:gpu_memory_utilization={share}"
            yield f"--engine {engine}", {"engine": engine}
    for processes in PROCESSES if config.lora_rank is None else ():
        if processes > config.processes and config.sharding == "fsdp":
            yield f"--processes {processes}", {"processes": processes}
        elif processes > config.processes:
            tokens = min(config.max_tokens_per_pass, SHARDED_PASS)
            words = f"--sharding fsdp --max-tokens-per-pass {tokens} --processes {processes}"
            fields = {"sharding": "fsdp", "max_tokens_per_pass": tokens, "processes": processes}
            yield words, fields


def other_runs(config: PreflightConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield flags that take less memory and train something else, with the fields that they set."""
    if config.lora_rank is None:
        yield "--lora-rank 32", {"lora_rank": 32, "sharding": "none"}
    tokens = (config.max_tokens or 0) // 2
    while tokens >= LEAST_TOKENS:
        yield f"--max-tokens {tokens}", {"max_tokens": tokens}
        tokens //= 2
