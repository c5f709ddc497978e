"""The memory that a pass of a language model needs beyond weights, gradients and optimizer.

A pass computes log-probabilities, and their gradient, of a micro-batch of rows. It holds at most
`max_tokens_per_pass` tokens, padding included, or one longer row, and its logits are computed in
chunks, again in the backward pass; so its memory does not grow with the batch, but for the ids and
numbers of its tokens, nor with the length or, beyond one more gradient of the head, the vocabulary.
Needs neither torch nor weights.

Tensors on a CPU live in the heap of the C library: what is freed there goes back to the system where work of
another kind begins, if it is much. glibc keeps what they free for later, in pieces that the next kind of work,
whose tensors have other sizes, does not fit into, so that each would add its own peak to the one before.
As long as no more than `KEPT` bytes of it are free they are left: to get a page from the system again takes
as long as a small model computes on it. glibc counts as free what was given back too, and tells no more.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

MAX_TOKENS_PER_PASS = 262_144  # by default: 64 rows of 4,096 tokens
LOGITS_PER_CHUNK = 1_024 * 151_936  # 622 MB in float32; 1,024 tokens of Qwen2's vocabulary
FLOAT32_BYTES = 4  # of log-probabilities and of sums of gradients
BATCH_BYTES = (
    40  # of a token of an update, beside the rollout: ids, masks, weights, log-probabilities
)
SHORT = 2_048  # tokens of a row up to which a mask, with an entry for every two of them, is small
KEPT = 256 * 2**20  # bytes
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # numbers that glibc's `mallopt` knows them by
LARGEST = (
    32 * 2**20
)  # bytes that glibc takes from the heap; by default as many as were freed at once
OWN = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "GLIBC_TUNABLES",
)  # a user's settings, which stay
FIELDS = (  # of glibc's `mallinfo2`; "fordblks" are the bytes that are free in the heap
    *("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks"),
    *("uordblks", "fordblks", "keepcost"),
)


@dataclass(frozen=True)
class PassShape:
    """Sizes of a decoder that decide what its passes hold."""

    hidden_size: int
    num_layers: int
    intermediate_size: int  # of the gated feed-forward network
    attention_size: int  # heads times their size
    key_value_size: int  # heads of keys times their size
    vocab_size: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> PassShape:
        """Read the sizes from the `config.json` of a model of transformers.

        Raises:
            KeyError: If the config does not say the sizes.
        """
        hidden_size, num_heads = config["hidden_size"], config["num_attention_heads"]
        head_size = config.get("head_dim") or hidden_size // num_heads
        return cls(
            hidden_size=hidden_size,
            num_layers=config["num_hidden_layers"],
            intermediate_size=config["intermediate_size"],
            attention_size=num_heads * head_size,
            key_value_size=(config.get("num_key_value_heads") or num_heads) * head_size,
            vocab_size=config["vocab_size"],
        )

    @property
    def kept(self) -> int:
        """Values that one layer keeps of a token for its gradient.

        Two norms keep three states of the hidden size each; the attention keeps queries, the keys
        and values repeated for all heads, what it read and its copy for the output matrix; the
        feed-forward network keeps gate, activation, up and their product.
        """
        return 6 * self.hidden_size + 5 * self.attention_size + 4 * self.intermediate_size

    @property
    def kept_fused(self) -> int:
        """What `fast_network` keeps of a token in place of `kept`.

        Two norms keep a state each; the attention keeps queries, keys, values, what it read and its copy for
        the output matrix; the feed-forward network keeps gate and up. A tape of sampling has about as much.
        """
        attention = 3 * self.attention_size + 2 * self.key_value_size
        return 2 * self.hidden_size + attention + 2 * self.intermediate_size

    @property
    def working(self) -> int:
        """Values of a token that the backward pass of one layer holds besides: gradients.

        What a layer kept is freed where its gradient is done, so that these are few: that of the
        feed-forward network's product, and of a state.
        """
        return self.intermediate_size + self.hidden_size


def chunk_size(vocab_size: int, logits_per_chunk: int = LOGITS_PER_CHUNK) -> int:
    """Return how many tokens a chunk of logits has."""
    return max(1, logits_per_chunk // vocab_size)


def pass_bytes(
    shape: PassShape,
    tokens: int,
    value_bytes: int,
    *,
    checkpointing: bool,
    fused: bool = False,
    masked: int = 0,
    batch_tokens: int = 0,
    logits_per_chunk: int = LOGITS_PER_CHUNK,
) -> int:
    """Return the most bytes that a pass and its backward pass hold beyond what is always there.

    Always there are weights, gradients and the states of the optimizer. With N tokens, L layers, H the
    hidden size, V the vocabulary and C = min(N, chunk) the tokens of a chunk:

        v * N * L * (a + m) + max(l * C * V + 5 * v * N * H, v * N * (b + 2 * H)) + h * V * H + 40 * M

    - v is `value_bytes`, and a what each layer keeps of a token until its gradient is computed: H, its
      input, with checkpointing, since the rest is computed again then; else `PassShape.kept`, or `kept_fused`.
    - m are the entries of the attention mask that each layer keeps of a token: the longest row where
      rows are read after their prompts, which they are without checkpointing if they are `SHORT`; else
      0, since without padding no mask is needed.
    - The logits are freed before the layers compute their gradients, so the larger of two counts. The
      first are the logits of a chunk, l = 4 for each in float32 and in place, and v more in a lower
      precision, beside the last states: what their norm keeps, those that are sampled, and their gradient.
    - The second is what the one layer holds whose gradient is computed, b: `PassShape.working` and, with
      checkpointing, also its `PassShape.kept`; beside its own gradient and the next.
    - h * V * H is the gradient of the head before it is added to that of earlier passes, in float32: h
      is 4, and in a lower precision v more.
    - M are the tokens of the update, all passes together: the only part that grows with the batch.

    Args:
        shape: Sizes of the model.
        tokens: Of the pass, padding included: `max_tokens_per_pass` or the longest row if it is longer.
        value_bytes: Of one value that the model computes: 4 in float32, 2 in bfloat16.
        checkpointing: Whether layers are checkpointed one by one.
        fused: Whether the model is a small one that computes by `fast_network`, without checkpointing.
        masked: Tokens of the longest row where rows are read with a mask, else 0.
        batch_tokens: Of the update, padding included.
        logits_per_chunk: Tokens of a chunk times vocabulary.
    """
    whole = shape.kept_fused if fused else shape.kept
    layer = shape.hidden_size if checkpointing else whole
    again = shape.kept if checkpointing else 0
    kept = value_bytes * tokens * shape.num_layers * (layer + masked)
    chunk = min(tokens, chunk_size(shape.vocab_size, logits_per_chunk))
    full = FLOAT32_BYTES + (value_bytes if value_bytes < FLOAT32_BYTES else 0)
    logits = full * chunk * shape.vocab_size + 5 * value_bytes * tokens * shape.hidden_size
    layer_values = again + shape.working + 2 * shape.hidden_size
    head = full * shape.vocab_size * shape.hidden_size
    batch = BATCH_BYTES * batch_tokens
    return kept + max(logits, value_bytes * tokens * layer_values) + head + batch


def masked_tokens(row_tokens: int, checkpointing: bool, shares_prompts: bool) -> int:
    """Return the tokens of a row that is read with a mask, 0 if it is read without one."""
    return row_tokens if shares_prompts and not checkpointing and row_tokens <= SHORT else 0


class Usage(ctypes.Structure):
    """What `mallinfo2` returns, in bytes or blocks."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in FIELDS)


@cache
def library() -> Any:
    """Return glibc, told to keep what is freed, unless the user told it something; None where the C library is another."""
    try:
        found = ctypes.CDLL(None)
        found.mallinfo2.restype = Usage
        if not any(name in os.environ for name in OWN):
            found.mallopt(TRIM_THRESHOLD, KEPT)
            found.mallopt(MMAP_THRESHOLD, LARGEST)
        found.malloc_trim.argtypes = (ctypes.c_size_t,)
    except (AttributeError, OSError, TypeError):  # no such function, or no such library
        return None
    return found


def give_back() -> None:
    """Give back the pages of the heap that hold nothing, if more than `KEPT` bytes are free: some milliseconds."""
    if (glibc := library()) is not None and glibc.mallinfo2().fordblks > KEPT:
        glibc.malloc_trim(0)
