"""Memory: the peak of a GRPO update beyond weights, gradients and optimizer, at a real vocabulary.

    python -m edgewise.benchmarks.speed.memory > benchmarks/results/memory.md

prints tables over batch size, length and `max_tokens_per_pass`, and the time and the gradient beside those
of the undivided pass. Every point is a process of its own: torch counts no memory of a processor, so the
peak is `VmHWM` of Linux, set back after an update on one completion, less `VmRSS` then. The allocator is told
to give back what is freed (`MALLOC_MMAP_THRESHOLD_`), except where time is measured. Every point has two
passes or more, as in a single one the gradients of the update before are dropped and not yet there again at
the peak. Beyond 64 completions little is sampled, which takes less time; the first passes have full chunks.
Times are CPU-seconds of one thread, the least of the repeats.
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
from edgewise.agents.policies.memory import PassShape, masked_tokens, pass_bytes
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Completions
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.seedlings.pretrain import build_tokenizer

UNDIVIDED = 10**9
REPEATS = 2
ROWS = 4  # of a pass, of which a chunk of tokens is sampled
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
    budgets: tuple[int, ...] = (2_048, 4_096, 8_192, 16_384, 32_768)
    """Tokens of a pass."""


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
    dense: int = 64  # completions of which so much is sampled; of further ones `PROMPT` tokens are

    @property
    def bound(self) -> int:
        """The bytes that the formula allows."""
        return pass_bytes(
            PassShape.of({**CONFIG, "vocab_size": self.vocab_size}),
            min(self.budget, self.batch * self.length),
            4,
            checkpointing=self.checkpointing,
            masked=masked_tokens(self.length, self.checkpointing, shares_prompts=True),
            batch_tokens=self.batch * self.length,
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
        mask[point.dense :, :-PROMPT] = 0.0
        mask[point.dense :, -1] = 0.0  # shorter, so that the passes begin with the dense ones
        mask[:, :PROMPT] = 0.0
        ended = torch.ones(point.batch, dtype=torch.bool)
        texts, attention = [""] * point.batch, torch.ones_like(tokens)
        logprobs = -math.log(point.vocab_size) * mask  # about those of random weights
        self.completions = Completions(texts, tokens, attention, mask, logprobs, ended)
        self.advantages = torch.randn(point.batch)
        self.config = GRPOConfig(sampling=Sampling(max_tokens=point.length), learning_rate=1e-12)
        self.state = start(self.policy, self.config)
        self.warm_up()

    def warm_up(self) -> None:
        """Make an update on one completion: then gradients, moments and libraries are there."""
        one = torch.zeros(1, dtype=torch.int64)
        self.improve(self.completions.select(one), self.advantages[one])

    def improve(self, completions: Completions, advantages: torch.Tensor) -> None:
        """Make an update."""
        improve(self.policy, completions, advantages, self.config, self.state)

    def seconds(self) -> float:
        """Make the update, and return its CPU-seconds."""
        began = time.process_time()
        self.improve(self.completions, self.advantages)
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
    """Return how far the gradient is from that of the undivided pass, relative to its norm."""
    exact = Update(undivided(point)).gradient()
    return float((Update(point).gradient() - exact).norm() / exact.norm())


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
        Point(batch, length, ROWS * length, ROWS * length // config.chunk, **shared)
        for length in config.lengths
        for batch in config.batches
    ]
    table(f"Over batch size and length, {ROWS} rows a pass, layers checkpointed", long)
    for kept in (True, False):
        words = "checkpointed" if kept else "not checkpointed"
        budgets = [
            Point(2 * budget // 1_024, 1_024, budget, budget // config.chunk, kept, **shared)
            for budget in config.budgets
        ]
        table(f"Over `max_tokens_per_pass`, two passes, layers {words}", budgets)
    print("\n## Time and gradient beside the undivided pass\n")
    print(
        "| completions | tokens of a row | layers | times the CPU-seconds | relative difference |"
    )
    print("|---:|---:|---|---:|---:|")
    for small in (Point(4, 512, 1_024, 1, **shared), Point(4, 1_024, 2_048, 2, **shared)):
        whole = in_process("fastest", undivided(small))
        for kept in (False, True):
            point = replace(small, checkpointing=kept)
            ratio, gap = in_process("fastest", point) / whole, in_process("difference", point)
            words = "checkpointed" if kept else "kept"
            sizes = f"{point.batch} | {point.length:,}"
            print(f"| {sizes} | {words} | {ratio:.2f} | {gap:.1e} |", flush=True)


if __name__ == "__main__":
    main()
