"""A policy whose completions another engine samples, from a copy of the learner's weights.

Shapes: B completions, T tokens of a row, prompt included.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn

from edgewise.agents.policies.lora import LoRAPolicy
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.passes import Budget
from edgewise.agents.policies.policy import Completions, Scorer
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.executor import WorkerError

NUM_COMPARED = 8  # completions that are scored again after each update
MAX_GAP = {torch.float32: 1e-3, torch.bfloat16: 5e-2}  # mean over their tokens, in nats
PROBE = ["1 + 1 ="] * NUM_COMPARED
PROBE_TOKENS = 16
PROBE_SCALE = 1.5
PROBE_NOISE = 0.05  # of adapters
PROBE_TEMPERATURE = 2.0  # at which it shows whether an engine's log-probabilities count it


@dataclass(frozen=True)
class Turn:
    """What an engine sampled after one prompt."""

    tokens: Sequence[int]  # with the one that ends it, if any
    logprobs: Sequence[float]  # of these, in nats, at their temperature or all at 1
    ended: bool  # by itself, within the token limit


class Engine(Protocol):
    """Samples from the weights that are loaded into it."""

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Load weights, by the names of transformers, and drop the prefix cache of the old ones.

        There is a head also where the model ties it to its embeddings. The weights of a sharded model
        are gathered one by one as they are read, so all must be read, in order.
        """

    def adapt(self, write: Callable[[Path], None]) -> None:
        """Sample with the adapters that `write` writes to a folder, as peft does, in place of earlier ones."""

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        seeds: Sequence[int],
        ends: Sequence[int],
    ) -> list[Turn]:
        """Sample a turn after each prompt, which the seed decides; a token of `ends` ends it."""

    def wake(self) -> None:
        """Take the memory that sampling needs."""

    def sleep(self) -> None:
        """Leave the memory to the learner."""


class EnginePolicy:
    """The policy `learner`, but for its completions, which `engine` samples.

    The engine gets the weights before it samples, or the adapters alone where these are trained,
    whenever they have changed since it did, and the first completions from them are scored by the
    learner too: an engine that keeps old weights, such as a head that was tied to the embeddings, is
    refused. It is awake while it samples, and asleep while the learner computes; what waking, new
    weights and falling asleep take is in `seconds`.

    With several ranks each has a whole engine, or all share a server, and samples its shard of the rows.

    Log-probabilities are the engine's where they are of the distribution that is asked for. Where
    they are not, as from a vLLM server without `--logprobs-mode processed_logprobs` at a temperature
    other than 1, they are the learner's, so that no importance correction sees a difference.
    """

    counts_temperature = True  # whether the engine's log-probabilities are those at the temperature

    def __init__(self, learner: TransformersPolicy, engine: Engine) -> None:
        """Hold both, and check that `engine` samples from what it is given.

        Raises:
            ValueError: If it does not.
        """
        self.learner, self.engine = learner, engine
        self.seconds: dict[str, float] = defaultdict(
            float
        )  # since `take_seconds`, by what took them
        self.loaded: list[int] = []  # the versions of the weights that the engine has
        self.probe()

    @torch.no_grad()
    def probe(self) -> None:
        """Compare once with other weights than the learner's, since old ones may equal these.

        It also shows whether the engine's log-probabilities are those at the temperature.

        Raises:
            ValueError: If the engine fails, does not sample from these, or has no room to be asked.
        """
        sampling = Sampling(max_tokens=PROBE_TOKENS, temperature=PROBE_TEMPERATURE)
        start = self.learner.start(PROBE, sampling)
        needed, most = start.tokens.shape[1] + PROBE_TOKENS, self.positions
        if most is not None and most < needed:
            raise ValueError(
                f"`engine` must have room for at least {needed} tokens of prompt and completion, got "
                f"{most}; of vllm this is `max_length`, or that of the model"
            )
        changed = probed(self.learner)
        kept = [weight.clone() for weight, _ in changed]
        for weight, other in changed:
            weight.copy_(other)
        try:
            self.wake()
            rows, generator = torch.arange(NUM_COMPARED), torch.Generator().manual_seed(0)
            found = self.learner.in_parts(self.sample, start, rows, sampling, generator)
            self.counts_temperature = self.gap(found) <= self.gap(replace(found, scale=1.0))
            self.compare(found, sampling)
        except (FloatingPointError, WorkerError) as error:
            raise ValueError(str(error)) from error
        finally:
            for (weight, _), as_it_was in zip(changed, kept, strict=True):
                weight.copy_(as_it_was)
            self.loaded = []

    def wake(self) -> bool:
        """Wake the engine up, and return whether it needed weights."""
        with self.timed("engine_wake"):
            self.engine.wake()
        versions = [weight._version for weight in self.parameters()]  # counts changes in place
        if versions == self.loaded:
            return False
        with self.timed("engine_sync"):
            if isinstance(self.learner, LoRAPolicy):
                self.engine.adapt(self.learner.write_adapters)
            else:
                self.engine.load(self.learner.whole())
        self.loaded = versions
        return True

    def sleep(self) -> None:
        """Let the engine leave the memory to the learner."""
        with self.timed("engine_sleep"):
            self.engine.sleep()

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to those of `name`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began

    def take_seconds(self) -> dict[str, float]:
        """Return `seconds`, and begin anew."""
        found, self.seconds = dict(self.seconds), defaultdict(float)
        return found

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, generator: Generator
    ) -> Completions:
        """Sample one completion of each prompt.

        Raises:
            WorkerError: If the engine fails, or does not sample from the weights as they are now.
        """
        rows = torch.arange(len(prompts))
        return self.take_turn(self.learner.start(prompts, sampling), rows, sampling, generator)

    def extend(
        self,
        completions: Completions,
        observations: Sequence[str],
        sampling: Sampling,
        generator: Generator,
    ) -> Completions:
        """Append to each completion its observation and one more turn; "" appends nothing.

        Raises:
            WorkerError: If the engine fails, or does not sample from the weights as they are now.
        """
        start, rows = self.learner.observe(completions, observations)
        return self.take_turn(start, rows, sampling, generator) if len(rows) else completions

    def take_turn(
        self, start: Completions, rows: Tensor, sampling: Sampling, generator: Generator
    ) -> Completions:
        """Append a turn to `rows` of `start`, with the weights as they are now."""
        changed = self.wake()
        found = self.learner.in_parts(self.sample, start, rows, sampling, generator)
        if not found.mask.any():  # no prompt had room
            self.loaded = []  # so that the next completions are compared
            return found
        if changed and not (self.counts_temperature and sampling.top_p < 1):
            self.compare(found.select(rows[:NUM_COMPARED]), sampling)
        if self.engine_scale(sampling) == found.scale:
            return found
        with torch.no_grad():
            return replace(found, logprobs=self.logprobs(found))

    def engine_scale(self, sampling: Sampling) -> float:
        """Return the scale of the logits in the engine's log-probabilities."""
        return replace(sampling, logprobs="sampled").scale if self.counts_temperature else 1.0

    def sample(
        self, start: Completions, rows: Tensor, sampling: Sampling, generator: Generator
    ) -> Completions:
        """Append a turn to `rows` of `start`; each row of `start` costs one random number."""
        seeds = torch.randint(2**31, (len(start.texts),), generator=generator)
        prompts = [
            tokens[seen.bool()].tolist()
            for tokens, seen in zip(start.tokens[rows], start.attention[rows], strict=True)
        ]
        ends = self.learner.ends.tolist()
        turns = self.engine.sample(prompts, sampling, seeds[rows].tolist(), ends)
        shape = (len(start.texts), max(len(turn.tokens) for turn in turns))
        tokens = torch.full(shape, self.learner.padding)
        mask, logprobs = torch.zeros(shape), torch.zeros(shape)
        ended = start.ended.clone()
        for row, turn in zip(rows.tolist(), turns, strict=True):
            length = len(turn.tokens)
            tokens[row, :length] = torch.tensor(turn.tokens)
            logprobs[row, :length] = torch.tensor(turn.logprobs)
            mask[row, :length] = 1.0
            ended[row] = turn.ended
        device = start.tokens.device
        appended = (tokens.to(device), mask.to(device), logprobs.to(device))
        return replace(self.learner.finish(start, *appended), ended=ended)

    @torch.no_grad()
    def gap(self, completions: Completions) -> float:
        """Return the mean absolute difference of log-probabilities to the learner's, in nats."""
        gaps = (self.logprobs(completions) - completions.logprobs).abs()
        return (gaps.sum() / completions.mask.sum().clamp(min=1)).item()

    def compare(self, completions: Completions, sampling: Sampling) -> None:
        """Check that the engine samples from the learner's weights.

        Raises:
            WorkerError: If its log-probabilities are not those of the learner.
            FloatingPointError: If there are some that are not finite.
        """
        gap = self.gap(replace(completions, scale=self.engine_scale(sampling)))
        most = MAX_GAP.get(self.learner.dtype, MAX_GAP[torch.bfloat16])
        if not isfinite(gap):
            raise FloatingPointError(f"log-probabilities must be finite, got a mean gap of {gap}")
        if gap > most:
            raise WorkerError(
                f"`engine` must sample from the weights that it was given, got log-probabilities "
                f"{gap:.3g} nats from the learner's, at most {most:g} is rounding; it may be of "
                "another model, or keep an old head, as vLLM does where the head is tied to the "
                "embeddings: start it on a folder of `edgewise untie`"
            )

    def logprobs(self, completions: Completions) -> Tensor:
        """Return the learner's log-probabilities, (B, T), while the engine sleeps."""
        self.sleep()
        return self.learner.logprobs(completions)

    def values(self, completions: Completions) -> Tensor:
        """Return the learner's values, (B, T), while the engine sleeps."""
        self.sleep()
        return self.learner.values(completions)

    def logprobs_and_values(self, completions: Completions) -> tuple[Tensor, Tensor]:
        """Return both from one pass."""
        self.sleep()
        return self.learner.logprobs_and_values(completions)

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return those of the learner."""
        return self.learner.parameters()

    @property
    def value_head(self) -> nn.Module:
        """The learner's."""
        return self.learner.value_head

    @property
    def budget(self) -> Budget:
        """Tokens per pass of the learner."""
        return self.learner.budget

    def frozen(self) -> Scorer:
        """Return the learner as it is now, without an engine."""
        return self.learner.frozen()

    def save(self, folder: str | Path) -> None:
        """Write the learner to `folder`."""
        self.learner.save(folder)

    def restore(self, folder: str | Path) -> None:
        """Load the weights that `save` wrote to `folder`."""
        self.learner.restore(folder)

    @property
    def tokenizer(self) -> Any:
        """The learner's."""
        return self.learner.tokenizer

    @property
    def positions(self) -> int | None:
        """The most tokens of prompt and completion; None for no limit."""
        return self.learner.positions

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return a chat in the model's own markup; the last message, if its own, is continued."""
        return self.learner.render(messages)

    def gathered(self) -> AbstractContextManager[None]:
        """Return a context in which rank 0 may save."""
        return self.learner.gathered()

    def export(self, folder: str | Path) -> None:
        """Write the trained model, for `TransformersPolicy.load`."""
        self.learner.export(folder)


def probed(learner: TransformersPolicy) -> list[tuple[Tensor, Tensor]]:
    """Return the weights of `learner`, and perturbed ones that change what it samples.

    They are embeddings and head, enlarged, or adapters, with noise, as these change nothing at first.
    """
    if isinstance(learner, LoRAPolicy):
        generator = torch.Generator().manual_seed(0)
        noise = [torch.randn(weight.shape, generator=generator) for weight in learner.parameters()]
        return [
            (weight, weight + PROBE_NOISE * own.to(weight))
            for weight, own in zip(learner.parameters(), noise, strict=True)
        ]
    layers = (learner.model.get_input_embeddings(), learner.model.get_output_embeddings())
    matrices = {id(layer.weight): layer.weight for layer in layers}.values()
    return [(matrix, PROBE_SCALE * matrix) for matrix in matrices]
