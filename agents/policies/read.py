"""Score completions with the library's forward pass, and decode them, whatever the model.

Either equal prompts are computed once for all their completions, which then attend to a cache; or each
row is computed in full, without padding before or in it. Then no mask is needed, of which every token
would have an entry for every other, and the layers can be checkpointed.

Shapes: B rows, T tokens of a row, F tokens before the first sampled one, S = T - F, H hidden size, V
vocabulary.
"""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache
from transformers.modeling_layers import GradientCheckpointingLayer

from edgewise.agents.policies import room
from edgewise.agents.policies.head import (
    Head,
    enclosing,
    is_hooked,
    replaced_forward,
    token_logprobs,
)
from edgewise.agents.policies.memory import chunk_size
from edgewise.agents.policies.policy import Completions
from edgewise.agents.policies.sampling import score


@dataclass(frozen=True)
class Rows:
    """Completions, up to the last column that is read."""

    tokens: Tensor  # (B, T)
    attention: Tensor  # (B, T)
    sampled: Tensor  # (B, T) whether the log-probability is asked for
    first: int  # F
    scale: float

    @classmethod
    def of(cls, completions: Completions, rows: Tensor, first: int, end: int) -> Rows:
        """Return `rows` of `completions`, in the columns before `end`."""
        tokens, attention = completions.tokens[rows, :end], completions.attention[rows, :end]
        return cls(tokens, attention, completions.mask[rows, :end] > 0, first, completions.scale)


class Reader:
    """Computes logits, log-probabilities and values with a causal language model."""

    def __init__(self, model: Any, value_head: nn.Module) -> None:
        """Take the model, and what maps its last states to values."""
        self.model, self.value_head = model, value_head
        self.chunk = chunk_size(model.config.get_text_config().vocab_size)
        self.plain: bool | None = None  # whether logits are what the head returns; once it is known

    def prefill(
        self, tokens: Tensor, attention: Tensor, cache: Any, valued: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Fill `cache` with B rows and return their next logits, (B, V), and values, (B,).

        Equal rows cost one.
        """
        both = torch.cat([tokens, attention], dim=1)
        distinct, places = torch.unique(both, dim=0, return_inverse=True)
        tokens, attention = distinct.chunk(2, dim=1)
        logits, values = self.forward(tokens, attention, cache, logits_to_keep=1, valued=valued)
        cache.batch_select_indices(places)
        return logits[places, 0], values[places, -1]

    def forward(
        self,
        tokens: Tensor,
        attention: Tensor | None,
        cache: Any,
        logits_to_keep: int = 0,
        valued: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Return the logits, (B, T, V), and the values, (B, T), after each of `tokens`.

        Args:
            tokens: What follows the cache, shape (B, T).
            attention: 1 on tokens and 0 on padding, those of the cache included; the last columns
                are those of `tokens`. None if there is padding at most at the end.
            cache: Is appended to; None if nothing follows.
            logits_to_keep: How many of the last logits are returned; 0 for all.
            valued: Whether values are computed; else they are 0.0.
        """
        places = None if attention is None else room.position_ids(attention)[:, -tokens.shape[1] :]
        output: Any = self.model(
            input_ids=tokens,
            attention_mask=attention,
            position_ids=places,
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=logits_to_keep,
            output_hidden_states=valued,
        )
        if not valued:
            return output.logits, torch.zeros(tokens.shape, device=tokens.device)
        return output.logits, self.value_head(output.hidden_states[-1].float())[..., 0]

    def read_after_prompts(self, rows: Rows, valued: bool) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and values, (B, T), computing equal prompts once."""
        first, cache, plain = rows.first, DynamicCache(), self.is_plain()
        module = self.model.get_output_embeddings()
        head = Head.of(module)
        with replaced_forward(module, lambda states: states) if plain else nullcontext():
            asked, attention = rows.tokens[:, :first], rows.attention[:, :first]
            logits, values = self.prefill(asked, attention, cache, valued and not plain)
            logits, values = logits[:, None], values[:, None]  # (B, 1, V) and (B, 1)
            if rows.tokens.shape[1] > first + 1:
                further = self.forward(
                    rows.tokens[:, first:-1],
                    rows.attention[:, :-1],
                    cache,
                    valued=valued and not plain,
                )
                logits = torch.cat([logits, further[0]], dim=1)  # (B, S, V), or H if `plain`
                values = torch.cat([values, further[1]], dim=1)  # (B, S)
        tokens, sampled = rows.tokens[:, first:], rows.sampled[:, first:]
        if plain:
            found = self.score(head, logits, tokens, sampled, rows.scale, valued)
        else:
            found = score(logits, tokens, rows.scale), values
        before = rows.tokens.new_zeros(len(tokens), first, dtype=torch.float32)
        return torch.cat([before, found[0]], dim=1), torch.cat([before, found[1]], dim=1)

    def read_in_full(self, rows: Rows, valued: bool, checkpointing: bool) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and values, (B, T), computing each row from its start.

        With `checkpointing` layers keep their inputs alone, and are computed again for the gradient.
        """
        order = rows.attention.argsort(dim=1, descending=True, stable=True)  # padding goes last
        order = order[:, : int(rows.attention.sum(dim=1).max())]
        tokens, sampled = rows.tokens.gather(1, order), rows.sampled.gather(1, order)
        first, plain = max(1, int(sampled.any(dim=0).int().argmax())), self.is_plain()
        kept = tokens.shape[1] - first
        module = self.model.get_output_embeddings()
        head = Head.of(module)

        def scored(states: Tensor) -> Tensor:
            asked = (tokens[:, first:], sampled[:, first:], rows.scale)
            return torch.stack(self.score(head, states, *asked, valued), dim=-1)

        with ExitStack() as stack:
            if plain:  # inside of the model, for there its weights are whole if they are sharded
                stack.enter_context(replaced_forward(module, scored))
            for layer in self.layers() if checkpointing and torch.is_grad_enabled() else ():
                again = partial(checkpoint, layer.forward, use_reentrant=False)
                stack.enter_context(replaced_forward(layer, again))
            found = self.forward(tokens[:, :-1], None, None, kept, valued and not plain)
        if plain:
            logprobs, values = found[0].unbind(dim=-1)
        else:
            logprobs, values = score(found[0], tokens[:, first:], rows.scale), found[1][:, -kept:]
        nothing = torch.zeros(rows.tokens.shape, device=tokens.device)
        places = order[:, first:]
        return nothing.scatter(1, places, logprobs), nothing.scatter(1, places, values)

    def score(
        self,
        head: Head,
        states: Tensor,
        tokens: Tensor,
        sampled: Tensor,
        scale: float,
        valued: bool,
    ) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and values, (B, S), from last states.

        Args:
            head: Of the model.
            states: Before each token, shape (B, S, H).
            tokens: Shape (B, S).
            sampled: Whose log-probability is asked for, shape (B, S); others may be 0.0.
            scale: What the logits are divided by.
            valued: Whether values are computed; else they are 0.0.
        """
        nothing = torch.zeros(tokens.shape, device=tokens.device)
        values = self.value_head(states.float())[..., 0] if valued else nothing
        if 4 * tokens.numel() <= self.chunk:
            flat = token_logprobs(head, states.flatten(0, 1), tokens.flatten(), scale, self.chunk)
            return flat.view(tokens.shape), values
        chosen = token_logprobs(head, states[sampled], tokens[sampled], scale, self.chunk)
        return nothing.masked_scatter(sampled, chosen), values

    def layers(self) -> list[nn.Module]:
        """Return the layers of the model that can be checkpointed."""
        return [
            part for part in self.model.modules() if isinstance(part, GradientCheckpointingLayer)
        ]

    @torch.no_grad()
    def is_plain(self) -> bool:
        """Return whether logits are what the head's own class returns.

        They are not where a model caps or scales them, as Gemma and Cohere do, or where the head, or
        what is around it, has hooks or a replaced forward now. Then the logits of a pass are computed at
        once.
        """
        head = self.model.get_output_embeddings()
        if any(is_hooked(part) for part in enclosing(self.model, head)):
            return False
        if self.plain is None:
            found: list[Tensor] = []
            handle = head.register_forward_hook(lambda *call: found.append(call[2]))
            tokens = torch.arange(8, device=self.model.device)[None]  # padding alone may be all 0
            try:
                logits = self.forward(tokens, None, None)[0]
            finally:
                handle.remove()
            self.plain = torch.equal(found[0].float(), logits.float())
        return self.plain


class PlainDecoder:
    """Decode B rows with the forward pass of `reader`."""

    def __init__(self, reader: Reader, tokens: Tensor, attention: Tensor) -> None:
        """Read the prompts, (B, T) each; `logits`, (B, V), are of what follows."""
        self.reader, self.cache, self.seen = reader, DynamicCache(), attention
        self.logits, _ = reader.prefill(tokens, attention, self.cache)

    def step(self, tokens: Tensor) -> Tensor:
        """Return the logits, (B, V), after one more token of each row, (B, 1)."""
        self.seen = pad(self.seen, (0, 1), value=1)
        return self.reader.forward(tokens, self.seen, self.cache)[0][:, -1]

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but `rows`, indices."""
        self.cache.batch_select_indices(rows)
        self.seen = self.seen[rows]

    def taped(self, completions: Completions) -> None:
        """Keep nothing for an update."""
