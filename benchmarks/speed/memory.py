"""Memory: the peak of a GRPO update beyond weights, gradients and optimizer, at a real vocabulary.

    python -m edgewise.benchmarks.speed.memory > benchmarks/results/memory.md

prints tables over batch size, length and `max_tokens_per_pass`, and the time and the gradient beside those
of the undivided pass. Every point is a process of its own: torch counts no memory of a processor, so the
peak is `VmHWM` of Linux, set back before the update, less `VmRSS` then. The allocator is told to give
back what is freed (`MALLOC_MMAP_THRESHOLD_`), except where time is measured. Times are CPU-seconds of one
thread, the least of the repeats.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro
from transformers import Qwen2Config, Qwen2ForCausalLM

from edgewise.agents.algorithms.grpo import GRPOConfig, improve, start
from edgewise.agents.policies.memory import PassShape, pass_bytes
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Completions
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.seedlings.tokenizer import build_tokenizer

UNDIVIDED = 10**9
REPEATS = 2
PROMPT = 16  # the fewest tokens of one
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
CONFIG: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 256,
}


@dataclass(frozen=True)
class MemoryConfig:
    """Measure what an update needs beyond weights, gradients and optimizer."""

    vocab_size: int = 151_936
    """Vocabulary of the model."""
    chunk: int = 1_024
    """Tokens whose logits are there at once."""
    lengths: tuple[int, ...] = (512, 1_024, 2_048, 4_096)
    """Tokens of a row."""
    batches: tuple[int, ...] = (8, 64, 256)
    """Completions of a batch."""
    most: int = 300_000
    """Tokens of a batch; larger ones are left out."""


@dataclass(frozen=True)
class Point:
    """An update whose memory is measured."""

    batch: int  # completions
    length: int  # tokens of each, prompt included
    budget: int  # max_tokens_per_pass
    sampled: int  # one of so many tokens of a row, the last ones, is sampled
    checkpointing: bool = True
    chunk: int = 1_024  # tokens
    vocab_size: int = 151_936

    @property
    def bound(self) -> int:
        """The bytes that the formula allows."""
        return pass_bytes(
            PassShape.of({**CONFIG, "vocab_size": self.vocab_size}),
            min(self.budget, self.batch * self.length),
            4,
            checkpointing=self.checkpointing,
            logits_per_chunk=self.chunk * self.vocab_size,
        )


class Update:
    """An update of a model with random weights on random completions."""

    def __init__(self, point: Point) -> None:
        """Make weights, gradients, moments and completions."""
        torch.set_num_threads(1)
        torch.manual_seed(0)
        vocabulary: Any = {"vocab_size": point.vocab_size, "max_position_embeddings": point.length}
        model = Qwen2ForCausalLM(Qwen2Config(**CONFIG, **vocabulary))
        self.policy = TransformersPolicy(model, build_tokenizer(), fast=False)
        self.policy.gradient_checkpointing = point.checkpointing
        self.policy.budget.tokens, self.policy.reader.chunk = point.budget, point.chunk
        shape = (point.batch, point.length)
        tokens, mask = torch.randint(point.vocab_size, shape), torch.zeros(shape)
        mask[:, -(point.length // point.sampled) :] = 1.0
        mask[:, :PROMPT] = 0.0
        ended = torch.ones(point.batch, dtype=torch.bool)
        texts, attention = [""] * point.batch, torch.ones_like(tokens)
        logprobs = -math.log(point.vocab_size) * mask  # about those of random weights
        self.completions = Completions(texts, tokens, attention, mask, logprobs, ended)
        self.advantages = torch.randn(point.batch)
        self.config = GRPOConfig(sampling=Sampling(max_tokens=point.length), learning_rate=1e-12)
        self.state = start(self.policy, self.config)
        for weight in self.policy.parameters():
            weight.grad = torch.zeros_like(weight)
        self.state.optimizer.step()

    def seconds(self) -> float:
        """Make the update, and return its CPU-seconds."""
        began = time.process_time()
        improve(self.policy, self.completions, self.advantages, self.config, self.state)
        return time.process_time() - began

    def gradient(self) -> torch.Tensor:
        """Return all gradients in a row, after the update."""
        self.seconds()
        gradients = [weight.grad for weight in self.policy.parameters()]
        return torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


def peak(point: Point) -> float:
    """Return the most bytes that an update has beyond what was there before it."""
    update = Update(point)
    RESET.write_text("5")
    before = kilobytes("VmRSS")
    update.seconds()
    return 1024 * (kilobytes("VmHWM") - before)


def kilobytes(name: str) -> int:
    """Return a figure of this process that the kernel counts."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def fastest(point: Point) -> float:
    """Return the least CPU-seconds of an update."""
    update = Update(point)
    return min(update.seconds() for _ in range(REPEATS))


def difference(point: Point) -> float:
    """Return the largest difference of a gradient from that of the undivided pass."""
    return float((Update(point).gradient() - Update(undivided(point)).gradient()).abs().max())


def undivided(point: Point) -> Point:
    """Return the point in one pass, whose logits are all there at once."""
    return replace(point, budget=UNDIVIDED, chunk=UNDIVIDED, checkpointing=False)


MEASURES = {"peak": peak, "fastest": fastest, "difference": difference}


def in_process(measure: str, point: Point) -> float:
    """Return a measure of a point, taken in a new process."""
    code = "import sys; from edgewise.benchmarks.speed import memory; memory.child(*sys.argv[1:])"
    command = [sys.executable, "-c", code, measure, json.dumps(asdict(point))]
    exact = {"MALLOC_MMAP_THRESHOLD_": "65536"} if measure == "peak" else {}
    ran = subprocess.run(command, env={**os.environ, **exact}, stdout=subprocess.PIPE, check=True)
    return float(ran.stdout)


def child(measure: str, point: str) -> None:
    """Print a measure of a point."""
    print(MEASURES[measure](Point(**json.loads(point))))


def table(title: str, points: list[Point]) -> None:
    """Print the peak of each point beside its bound."""
    print(f"\n## {title}\n")
    print("| completions | tokens of a row | max_tokens_per_pass | peak, MB | formula, MB |")
    print("|---:|---:|---:|---:|---:|")
    for point in points:
        sizes = f"{point.batch} | {point.length:,} | {point.budget:,}"
        found = in_process("peak", point)
        print(f"| {sizes} | {found / 1e6:,.0f} | {point.bound / 1e6:,.0f} |", flush=True)


def main() -> None:
    """Print the tables."""
    config = tyro.cli(MemoryConfig, prog="python -m edgewise.benchmarks.speed.memory")
    shared: Any = {"chunk": config.chunk, "vocab_size": config.vocab_size}
    print(f"# Memory of an update\n\nVocabulary {config.vocab_size:,}, chunk {config.chunk:,}.")
    long = [
        Point(batch, length, 16_384, 16, **shared)
        for length in config.lengths
        for batch in config.batches
        if batch * length <= config.most
    ]
    table("Over batch size and length, layers checkpointed", long)
    for kept in (True, False):
        words = "checkpointed" if kept else "not checkpointed"
        budgets = [
            Point(32, 1_024, budget, 4, kept, **shared) for budget in (4_096, 8_192, 16_384, 32_768)
        ]
        table(f"Over `max_tokens_per_pass`, layers {words}", budgets)
    print("\n## Time and gradient beside the undivided pass\n")
    print("| completions | tokens of a row | layers | times the CPU-seconds | largest difference |")
    print("|---:|---:|---|---:|---:|")
    small = Point(4, 512, 1_024, 1, **shared)
    whole = in_process("fastest", undivided(small))
    for kept in (False, True):
        point = replace(small, checkpointing=kept)
        ratio, gap = in_process("fastest", point) / whole, in_process("difference", point)
        words = "checkpointed" if kept else "kept"
        print(f"| 4 | 512 | {words} | {ratio:.2f} | {gap:.1e} |", flush=True)


if __name__ == "__main__":
    main()
