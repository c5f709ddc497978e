"""A policy over any causal language model of the transformers library.

Shapes: B completions, T tokens of a row, prompt included, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Generator, Tensor, nn
from torch.nn.functional import pad

from edgewise.agents.policies import room
from edgewise.agents.policies.chat import ChatOptions, encode_further, encode_prompt, render_chat
from edgewise.agents.policies.fast_decode import FastDecoder
from edgewise.agents.policies.fast_network import Network, recognises
from edgewise.agents.policies.fast_read import read_states
from edgewise.agents.policies.fast_tape import Tape
from edgewise.agents.policies.head import token_logprobs, value_head
from edgewise.agents.policies.memory import SHORT, give_back
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.passes import Budget, last_columns, within_memory
from edgewise.agents.policies.policy import Completions, OnFinished, Scorer, append
from edgewise.agents.policies.read import PlainDecoder, Reader, Rows
from edgewise.agents.policies.sampling import Parts, Sample, choose, compact, divided
from edgewise.agents.policies.turn_cache import TurnCache
from edgewise.agents.policies.weights import end_tokens, load_pretrained

DENSE = 0.9  # rows that have ended are dropped when fewer go on
ROWS = 64  # of like length that are scored at once
FIRST_ROW = torch.zeros(1, dtype=torch.int64)


class TransformersPolicy:
    """Sample and score with a causal language model, in full batches.

    Log-probabilities, those of `generate` and of `logprobs`, are of the logits divided by the
    `scale` of the completions: by default of the distribution that was sampled, see `Sampling`.

    Example:
        >>> from edgewise.agents import Sampling, load_policy
        >>> policy = load_policy("seedling")
        >>> generator = torch.Generator().manual_seed(0)
        >>> completions = policy.generate(["3 4 5 = 12"] * 2, Sampling(max_tokens=8), generator)
        >>> policy.logprobs(completions).shape == completions.tokens.shape
        True
    """

    gradient_checkpointing = False  # whether layers are computed again for the gradient, not kept
    shares_prompts = True  # whether equal prompts of a pass may be computed once
    saved_weights: dict[str, Tensor] | None = None  # what `save` writes; None for the model's
    recalls = False  # whether what sampling computes is kept for the gradient of the first update
    tape: Tape | None = None  # with what the last batch computed, if it was kept
    on_finished: OnFinished | None = None  # called with rows that finish before the batch does
    chat = ChatOptions()  # for the template of its chats

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        fast: bool = True,
        decode_dtype: torch.dtype | None = None,
    ) -> None:
        """Take a model and its tokenizer, as their Auto classes load them.

        Args:
            model: A causal language model; it is put in evaluation mode, without dropout.
            tokenizer: Pads with its padding token or, if it has none, with that of the end.
            fast: Whether small models of a known structure, without hooks, take a faster way to the
                same numbers.
            decode_dtype: Of the weights that sample, in the faster way; by default the model's. With
                another one, losses need the importance correction.
        """
        self.model = model.eval()
        self.fast, self.decode_dtype = fast, decode_dtype
        self.tokenizer = tokenizer
        ends = end_tokens(model, tokenizer)
        self.positions = room.positions_of(model.config)  # where prompt and completion must end
        self.value_head = value_head(model)
        self.reader = Reader(model, self.value_head)
        self.parts, self.budget, self.turns = Parts(), Budget(), TurnCache()
        self.dtype: torch.dtype = model.dtype  # of what is computed
        self.ends = torch.tensor(ends, device=model.device)
        self.padding: int = ends[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    @classmethod
    def load(
        cls,
        path: str | Path,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> TransformersPolicy:
        """Load the folder or the model of the hub id `path`, with weights of `dtype`, on `device`.

        Weights are in safetensors, and code that comes with a model is not run.

        Raises:
            ValueError: If there is no causal language model, or it is in another format.
        """
        model, tokenizer = load_pretrained(path)
        return cls(model.to(device, dtype), tokenizer)

    def save(self, folder: str | Path) -> None:
        """Write model and tokenizer to `folder`, for `load`, without the value head.

        Raises:
            OSError: If they cannot be written.
        """
        try:
            self.model.save_pretrained(folder, state_dict=self.saved_weights)
        except SafetensorError as error:  # which does not say what the system said
            raise OSError(f"{folder} cannot be written: {error}") from error
        self.tokenizer.save_pretrained(folder)

    def gathered(self) -> AbstractContextManager[None]:
        """Return a context in which rank 0 may save; all ranks must enter it."""
        return nullcontext()

    def restore(self, folder: str | Path) -> None:
        """Load the weights that `save` wrote to `folder`."""
        self.load_state_dict(type(self).load(folder).state_dict())

    def export(self, folder: str | Path) -> None:
        """Write the trained model to `folder`, for `load`."""
        self.save(folder)

    def frozen(self) -> Scorer:
        """Return the policy as it is now, however this one is trained."""
        self.tape = None  # which no copy needs
        return deepcopy(self)

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return a chat, `messages`, in the model's own markup; the last message, if its own, is continued."""
        return render_chat(self.tokenizer, messages, self.chat)

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the parameters to train, without those of the value head."""
        parameters: Iterable[nn.Parameter] = self.model.parameters()
        return parameters

    def state_dict(self) -> dict[str, Any]:
        """Return the weights."""
        weights: dict[str, Any] = self.model.state_dict()
        return weights

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load weights that `state_dict` returned."""
        self.model.load_state_dict(state)

    def whole(self) -> Mapping[str, Tensor]:
        """Return the weights of the whole model, by its own names."""
        return self.state_dict()

    def generate(
        self, prompts: Sequence[str], sampling: Sampling, generator: Generator
    ) -> Completions:
        """Sample one completion of each prompt."""
        rows = torch.arange(len(prompts))
        self.tape, taped = None, self.recalls and torch.is_grad_enabled()
        self.turns.max_taped = self.budget.tokens * (taped and not self.gradient_checkpointing)
        return self.take_turn(self.start(prompts, sampling), rows, sampling, generator)

    def start(self, prompts: Sequence[str], sampling: Sampling) -> Completions:
        """Return completions of no token yet."""
        return room.empty_completions(*self.encode(prompts), sampling.scale)

    def extend(
        self,
        completions: Completions,
        observations: Sequence[str],
        sampling: Sampling,
        generator: Generator,
    ) -> Completions:
        """Append to each completion one of `observations` and one more turn; "" appends nothing."""
        start, rows = self.observe(completions, observations)
        return self.take_turn(start, rows, sampling, generator) if len(rows) else completions

    def observe(
        self, completions: Completions, observations: Sequence[str]
    ) -> tuple[Completions, Tensor]:
        """Append to each completion one of `observations`, and return the rows that have one."""
        rows = [row for row, observation in enumerate(observations) if observation]
        known = {text: encode_further(self.tokenizer, text) for text in set(observations)}
        further = room.without_ends([known[text] for text in observations], completions, self.ends)
        tokens, attention = room.left_pad(further, self.padding)
        device = self.model.device
        start = append(completions, tokens.to(device), attention.to(device))
        return start, torch.tensor(rows, dtype=torch.int64)

    def take_turn(
        self, start: Completions, rows: Tensor, sampling: Sampling, generator: Generator
    ) -> Completions:
        """Append a turn to `rows` of `start`; every rank returns those of all."""
        return self.in_parts(self.sample, start, rows, sampling, generator)

    def in_parts(
        self, sample: Sample, start: Completions, rows: Tensor, sampling: Sampling, rng: Generator
    ) -> Completions:
        """Append a turn by `sample` to `rows` of `start`, in as many parts as the memory needs.

        A row without room for `sampling.max_tokens` gets none.
        """
        start, rows = room.drop_full(start, rows, self.positions, sampling.max_tokens)
        if not len(rows):
            return start
        found = self.parts.sample(lambda part: sample(start, part, sampling, rng), start, rows, rng)
        give_back()
        return found

    def logprobs(self, completions: Completions) -> Tensor:
        """Return the log-probability of each sampled token, (B, T), with gradient; 0.0 elsewhere."""
        return self.read(completions, valued=False)[0]

    def values(self, completions: Completions) -> Tensor:
        """Return the value before each sampled token, (B, T), with gradient; 0.0 elsewhere."""
        return self.read(completions, valued=True)[1]

    def logprobs_and_values(self, completions: Completions) -> tuple[Tensor, Tensor]:
        """Return both from one pass."""
        return self.read(completions, valued=True)

    def read(self, completions: Completions, valued: bool) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and values, both (B, T), the latter 0.0 unless `valued`.

        They are computed in passes of at most `budget` tokens. Without a gradient the budget is
        halved when the memory runs out; with one, all passes are held until it is computed, so that
        whoever wants less divides the completions, as `passes.backward` does.

        Raises:
            MemoryError: If the memory does not do for one completion.
        """
        read = partial(self.read_passes, completions, valued)
        if torch.is_grad_enabled():
            return read()
        return within_memory(self.budget, completions, read)

    def read_passes(self, completions: Completions, valued: bool) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and, if `valued`, values, both (B, T), pass by pass."""
        passes = self.budget.split(completions)
        if len(passes) == 1:
            return self.read_pass(completions, valued)
        found: tuple[list[Tensor], list[Tensor]] = ([], [])
        for rows in passes:  # one without rows keeps the ranks in step
            own = completions.select(rows if len(rows) else FIRST_ROW)
            for parts, part in zip(found, self.read_pass(own, valued), strict=True):
                parts.append(part[: len(rows)])
        back = torch.cat(passes).argsort()
        logprobs, values = (torch.cat(parts)[back] for parts in found)
        return logprobs, values

    def read_pass(self, completions: Completions, valued: bool) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and, if `valued`, values, both (B, T), of one pass.

        Rows of like length are computed together, and equal prompts once for all of these, unless
        the layers are checkpointed or rows are long.
        """
        fast = self.fast and not self.gradient_checkpointing
        ends = last_columns(completions).to(completions.mask.device)
        short = int(ends.max()) <= SHORT
        if fast and short and self.model.dtype == torch.float32 and recognises(self.model):
            return self.fast_read(completions, valued)
        length = completions.tokens.shape[1]
        first = int(completions.mask.any(dim=0).int().argmax())
        ends = ends.clamp(min=first + 1)
        order = ends.argsort()
        parts: tuple[list[Tensor], list[Tensor]] = ([], [])
        for rows in order.split(ROWS) if self.shares_prompts else [order]:
            end = int(ends[rows].max())
            read = Rows.of(completions, rows, first, end)
            if self.shares_prompts and short and not self.gradient_checkpointing:
                found = self.reader.read_after_prompts(read, valued)
            else:
                found = self.reader.read_in_full(read, valued, self.gradient_checkpointing)
            for part, numbers in zip(parts, found, strict=True):
                part.append(pad(numbers, (0, length - end)))
        back = order.argsort()
        sampled, nothing = completions.mask > 0, completions.mask.new_zeros(())
        logprobs, values = (torch.where(sampled, torch.cat(part)[back], nothing) for part in parts)
        return logprobs, values

    def fast_read(self, completions: Completions, valued: bool) -> tuple[Tensor, Tensor]:
        """Score as `read_pass` does with `valued`, by the fused forward pass."""
        network = Network(self.model, torch.float32, completions.tokens.shape[1])
        hidden = read_states(network, completions, self.recalled())
        sampled = completions.mask.bool()
        tokens, chunk = completions.tokens[sampled], self.reader.chunk
        found = [token_logprobs(network.as_head(), hidden, tokens, completions.scale, chunk)]
        none = torch.zeros_like(found[0])
        found.append(self.value_head(hidden * network.gain)[:, 0] if valued else none)
        logprobs, values = (torch.zeros(sampled.shape).masked_scatter(sampled, x) for x in found)
        return logprobs, values

    def recalled(self) -> Tape | None:
        """Return the tape, once, if a gradient is asked and the weights are those that made it."""
        if self.tape is None or not torch.is_grad_enabled():
            return None
        tape, self.tape = self.tape, None  # so that the backward pass frees it layer by layer
        return tape if tape.is_of(self.model) else None

    def encode(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the tokens of `prompts`, padded on the left, and their attention; both (B, T)."""
        known = {text: encode_prompt(self.tokenizer, text) for text in dict.fromkeys(prompts)}
        tokens, attention = room.left_pad([known[text] for text in prompts], self.padding)
        return tokens.to(self.model.device), attention.to(self.model.device)

    @torch.no_grad()
    def sample(
        self, start: Completions, rows: Tensor, sampling: Sampling, generator: Generator
    ) -> Completions:
        """Append a turn to `rows` of `start`.

        Every token costs one random number for each row, also for those that have ended, so what
        a row gets does not depend on the others' lengths.
        """
        device, count = self.model.device, len(start.texts)
        tokens = torch.full((count, sampling.max_tokens), self.padding, device=device)
        logprobs = torch.zeros(tokens.shape, device=device)
        lengths = torch.zeros(count, dtype=torch.int64)
        lengths[rows] = sampling.max_tokens
        live = torch.ones(len(rows), dtype=torch.bool)  # which of `rows` go on
        ended = start.ended.clone()
        ended[rows] = False
        own, decoder = rows, self.decoder(start, rows, sampling.max_tokens)
        logits = decoder.logits  # (rows, V)
        for place in range(sampling.max_tokens):
            drawn = torch.rand(count, 1, generator=generator, dtype=torch.float64)
            uniform = drawn.index_select(0, rows).to(device)
            distribution = logits.float().log_softmax(dim=-1)
            chosen = choose(distribution, sampling, uniform)  # (rows, 1)
            tokens[rows, place] = chosen[:, 0]  # what follows an end is taken out below
            if start.scale != 1:
                distribution = divided(distribution, start.scale).log_softmax(dim=-1)
            logprobs[rows, place] = distribution.gather(1, chosen)[:, 0]
            stop = (chosen == self.ends).any(dim=1).cpu() & live
            if sampling.stop:
                stop |= self.stopped(tokens[rows, : place + 1], sampling.stop) & live
            if stop.any():
                over = rows[stop]
                lengths[over] = place + 1
                ended[over] = True
                live &= ~stop
                if not live.any() or place + 1 == sampling.max_tokens:
                    break
                if self.on_finished is not None:
                    self.on_finished(over.tolist(), self.decode(tokens[over, : place + 1]))
                if live.float().mean() <= DENSE:
                    kept = compact(live)
                    decoder.keep(kept.to(device))
                    rows, chosen, live = rows[kept], chosen[kept.to(device)], live[kept]
            if place + 1 < sampling.max_tokens:
                logits = decoder.step(chosen)
        length = place + 1
        sampled = (torch.arange(length) < lengths[:, None]).to(device)
        tokens = tokens[:, :length].masked_fill(~sampled, self.padding)
        logprobs = logprobs[:, :length].masked_fill(~sampled, 0.0)
        turn = self.finish(start, tokens, sampled.float(), logprobs)
        self.tape = decoder.taped(turn.select(own))
        return replace(turn, ended=ended)

    def decoder(
        self, start: Completions, rows: Tensor, max_tokens: int
    ) -> FastDecoder | PlainDecoder:
        """Return the fastest decoder that supports the model, after `rows` of `start`."""
        if self.fast and recognises(self.model):
            dtype = self.decode_dtype or self.model.dtype
            return self.turns.decoder(self.model, dtype, start, rows, max_tokens)
        return PlainDecoder(self.reader, start.tokens[rows], start.attention[rows])

    def stopped(self, tokens: Tensor, stop: tuple[str, ...]) -> Tensor:
        """Return which rows end with one of `stop`."""
        tails = self.decode(tokens[:, -max(map(len, stop)) :])
        return torch.tensor([any(end in tail for end in stop) for tail in tails])

    def finish(
        self, start: Completions, tokens: Tensor, mask: Tensor, logprobs: Tensor
    ) -> Completions:
        """Return `start` with a turn appended: tokens, mask and log-probabilities, (B, T) each."""
        texts = [
            text if row.any() else before
            for text, row, before in zip(self.decode(tokens), mask, start.texts, strict=True)
        ]
        return append(start, tokens, mask.long(), mask, logprobs, texts)

    def decode(self, tokens: Tensor) -> list[str]:
        """Return the text of each row, without special tokens."""
        texts: list[str] = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return texts
