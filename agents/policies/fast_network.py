"""The forward pass of small Qwen2 and Llama models, with fewer operations than the library's.

The matrices that read one input are joined, the gains of the norms and the root of H are multiplied
into them, so that a norm only divides by a length, and the rotation of queries and keys is a product
of complex numbers. On a processor such a model costs about as much time for each operation as for
what it computes, so what counts is that they are few.

Shapes: N tokens, of all rows; H hidden size, D head size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding
from transformers.activations import ACT2FN
from transformers.models.llama import modeling_llama as llama
from transformers.models.qwen2 import modeling_qwen2 as qwen2

from edgewise.agents.policies import fast_functions as functions
from edgewise.agents.policies.fast_tape import LARGEST, Room, Tape, Track
from edgewise.agents.policies.head import Head, is_hooked
from edgewise.agents.policies.memory import FLOAT32_BYTES

MAX_PARAMETERS = 100_000_000  # a copy of the weights is held
ROPE_TYPES = {"default", "linear", "llama3", "yarn"}  # whose frequencies do not change with length
MODULES = {
    *(qwen2.Qwen2ForCausalLM, qwen2.Qwen2Model, qwen2.Qwen2DecoderLayer, qwen2.Qwen2Attention),
    *(qwen2.Qwen2MLP, qwen2.Qwen2RMSNorm, qwen2.Qwen2RotaryEmbedding),
    *(llama.LlamaForCausalLM, llama.LlamaModel, llama.LlamaDecoderLayer, llama.LlamaAttention),
    *(llama.LlamaMLP, llama.LlamaRMSNorm, llama.LlamaRotaryEmbedding),
    *(nn.Linear, nn.Embedding, nn.ModuleList, type(ACT2FN["silu"])),
}

Attend = Callable[[int, Tensor, Tensor], Tensor]  # of a layer: queries, keys and values


def recognises(model: Any) -> bool:
    """Return whether `Network` supports `model`: not, say, one with adapters or hooks."""
    known = all(type(module) in MODULES and not is_hooked(module) for module in model.modules())
    if not known or model.model.gradient_checkpointing:
        return False
    if model.device.type != "cpu" or model.num_parameters() > MAX_PARAMETERS:
        return False
    kinds = getattr(model.config, "layer_types", None) or ["full_attention"]
    plain = [
        linear.bias is None
        for layer in model.model.layers
        for linear in (layer.self_attn.o_proj, layer.mlp.gate_proj, layer.mlp.down_proj)
    ]
    return (
        all(plain)
        and set(kinds) == {"full_attention"}
        and model.model.rotary_emb.rope_type in ROPE_TYPES
    )


@dataclass(frozen=True)
class Layer:
    """Weights, (in, out)."""

    qkv: Tensor
    bias: Tensor | None  # of qkv
    out: Tensor
    gate_up: Tensor
    down: Tensor


class Network:
    """The fused weights of a model as they are now; gradients reach the model."""

    def __init__(self, model: Any, dtype: torch.dtype, length: int) -> None:
        """Take the weights of `model`, which `recognises`, in `dtype`, for rows up to `length`."""
        config = model.config
        self.num_heads: int = config.num_attention_heads
        self.num_groups: int = config.num_key_value_heads  # of heads with the same keys
        self.head_size: int = model.model.layers[0].self_attn.head_dim
        self.root: float = config.hidden_size**0.5
        self.least = torch.tensor(config.rms_norm_eps**0.5 * self.root)  # length of a state
        self.embedding: Tensor = model.model.embed_tokens.weight.to(dtype)
        self.layers = [self.fuse(layer, dtype) for layer in model.model.layers]
        self.gain: Tensor = model.model.norm.weight * self.root
        self.head = fuse_linears([model.lm_head.weight], self.gain, dtype)
        with torch.no_grad():
            places = torch.arange(length)[None]
            cosine, sine = model.model.rotary_emb(torch.zeros(1), places)
        half = self.head_size // 2
        rotations = torch.complex(cosine[0, :, :half], sine[0, :, :half])
        rotations = rotations.repeat(1, self.num_heads + self.num_groups)
        values = rotations.new_ones(length, self.num_groups * half)  # are not rotated
        turns = torch.cat([rotations, values], dim=1)  # of each position
        self.rotations = torch.view_as_real(turns).flatten(1)

    def fuse(self, layer: Any, dtype: torch.dtype) -> Layer:
        """Fuse the weights of one layer."""
        attention, mlp = layer.self_attn, layer.mlp
        linears = (attention.q_proj, attention.k_proj, attention.v_proj)
        scales = (self.head_size**-0.5, 1.0, None)  # None is not rotated
        biases = None
        if attention.q_proj.bias is not None:
            parts = [self.interleave(x.bias, s) for x, s in zip(linears, scales, strict=True)]
            biases = torch.cat(parts).to(dtype)
        weights = [self.interleave(x.weight, s) for x, s in zip(linears, scales, strict=True)]
        return Layer(
            fuse_linears(weights, layer.input_layernorm.weight * self.root, dtype),
            biases,
            attention.o_proj.weight.T.contiguous().to(dtype),
            fuse_linears(
                [mlp.gate_proj.weight, mlp.up_proj.weight],
                layer.post_attention_layernorm.weight * self.root,
                dtype,
            ),
            mlp.down_proj.weight.T.contiguous().to(dtype),
        )

    def interleave(self, weight: Tensor, scale: float | None) -> Tensor:
        """Interleave the rotary halves of each head, so that pairs are adjacent, and scale."""
        if scale is None:
            return weight
        halves: Tensor = weight.unflatten(0, (-1, 2, self.head_size // 2))
        return halves.transpose(1, 2).flatten(0, 2) * scale

    def at(self, positions: Tensor) -> Tensor:
        """Return the rotations at `positions`, (N,): complex numbers, (N, pairs of all heads)."""
        return embedding(positions, self.rotations).view(torch.complex64)

    def hidden(
        self,
        tokens: Tensor,
        rotations: Tensor,
        attend: Attend,
        asked: Tensor | None = None,
        tape: Tape | None = None,
    ) -> Tensor:
        """Return the last states of N tokens, (N, H), normed to length 1; `gain` is not in them.

        Args:
            tokens: Shape (N,).
            rotations: Those `at` the position of each token.
            attend: Takes the number of a layer, queries, (N, heads, D), and keys before values, (N,
                2 groups, D), and returns what the queries read, (N, heads D).
            asked: Indices of the tokens whose states are returned; by default all.
            tape: In inference, where the states of all layers are kept.
        """
        heads, groups, size = self.num_heads, self.num_groups, self.head_size
        hidden: Tensor = embedding(tokens, self.embedding)
        num_asked = len(tokens) if asked is None else len(asked)
        rooms = [Room()] * len(self.layers)
        if tape is not None:
            rooms = tape.rooms(len(tokens), num_asked)
        for index, (layer, room) in enumerate(zip(self.layers, rooms, strict=True)):
            normed = functions.normalize(hidden, self.least)
            qkv = linear(normed, layer.qkv, layer.bias, room.states)
            states = functions.rotate(qkv, rotations)
            queries, memory = states.view(-1, heads + 2 * groups, size).split_with_sizes(
                [heads, 2 * groups], 1
            )
            read = attend(index, queries, memory)
            if asked is not None and layer is self.layers[-1]:
                hidden, read = embedding(asked, hidden), embedding(asked, read)
            if room.read is not None:
                room.read.copy_(read)
            hidden = torch.addmm(hidden, read, layer.out, out=room.attended)
            matrices = layer.gate_up, layer.down
            hidden = functions.feed_forward(hidden, *matrices, self.least, room.inner, room.left)
        return functions.normalize(hidden, self.least)

    def tracks(self, num_tokens: int) -> list[Track] | None:
        """Return empty tracks of all layers with room for `num_tokens`, None if they would be too large."""
        layer = self.layers[0]
        size = len(layer.qkv)
        sizes = (layer.qkv.shape[1], len(layer.out), size, layer.gate_up.shape[1], size)
        if FLOAT32_BYTES * num_tokens * sum(sizes) * len(self.layers) > LARGEST:
            return None
        with torch.inference_mode(False):  # whose tensors autograd would not save
            return [Track(*(torch.empty(num_tokens, size) for size in sizes)) for _ in self.layers]

    def logits(self, hidden: Tensor) -> Tensor:
        """Project normalised hidden states, (N, H), to logits, (N, V)."""
        return hidden @ self.head

    def as_head(self) -> Head:
        """Return what maps states to logits."""
        return Head(self.logits, self.head.T)


def fuse_linears(weights: Sequence[Tensor], gain: Tensor, dtype: torch.dtype) -> Tensor:
    """Fuse linear maps of the same normed input, and the gain of the norm, into one, (in, out).

    Each is multiplied by itself, so that for a gradient no copy of all is kept.
    """
    return torch.cat([(weight * gain).T for weight in weights], dim=1).to(dtype)


def linear(
    inputs: Tensor, weight: Tensor, bias: Tensor | None = None, out: Tensor | None = None
) -> Tensor:
    """Return `inputs`, (N, in), times `weight`, (in, out), plus `bias`."""
    if bias is None:
        return torch.mm(inputs, weight, out=out)
    return torch.addmm(bias, inputs, weight, out=out)
