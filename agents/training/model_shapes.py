"""Sizes of models, from a config.json alone: no weights, no torch, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewise.agents.policies.memory import PassShape
from edgewise.agents.policies.model_card import model_path
from edgewise.errors import shown, unknown
from edgewise.files import FileError, read_json

QWEN = {"model_type": "qwen2", "vocab_size": 151_936, "tie_word_embeddings": True}
LLAMA = {"model_type": "llama", "vocab_size": 128_256, "tie_word_embeddings": True}
BIASED = {"qwen2"}  # whose queries, keys and values have biases whatever the config says
NORMED = {"qwen3"}  # whose queries and keys have norms
DENSE = {"llama", "mistral", *BIASED, *NORMED}  # decoders with gated feed-forward networks


def sizes(layers: int, hidden: int, inner: int, heads: int, keys: int, **more: Any) -> Any:
    """Return the fields of a config.json that say the sizes."""
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        **more,
    }


KNOWN: dict[str, Mapping[str, Any]] = {  # https://huggingface.co/NAME/blob/main/config.json
    "Qwen/Qwen2.5-0.5B": QWEN | sizes(24, 896, 4864, 14, 2),
    "Qwen/Qwen2.5-1.5B": QWEN | sizes(28, 1536, 8960, 12, 2),
    "Qwen/Qwen2.5-3B": QWEN | sizes(36, 2048, 11008, 16, 2),
    "Qwen/Qwen2.5-7B": QWEN
    | sizes(28, 3584, 18944, 28, 4, vocab_size=152_064, tie_word_embeddings=False),
    "meta-llama/Llama-3.2-1B": LLAMA | sizes(16, 2048, 8192, 32, 8, head_dim=64),
    "meta-llama/Llama-3.2-3B": LLAMA | sizes(28, 3072, 8192, 24, 8, head_dim=128),
    "meta-llama/Llama-3.1-8B": LLAMA | sizes(32, 4096, 14336, 32, 8, tie_word_embeddings=False),
}


@dataclass(frozen=True)
class ModelShape:
    """What the sizes of a decoder make of memory and time."""

    config: Mapping[str, Any]
    a_pass: PassShape

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ModelShape:
        """Read the config.json of a dense decoder.

        Raises:
            ValueError: If it is of another kind of model, or does not say the sizes.
        """
        kind = config.get("model_type")
        if kind not in DENSE:
            raise ValueError(unknown("model_type", str(kind), sorted(DENSE)))
        try:
            return cls(config, PassShape.of(config))
        except (KeyError, TypeError, ZeroDivisionError) as error:
            raise ValueError(f"a config of {kind} must say its sizes, got none: {error}") from error

    @property
    def num_parameters(self) -> int:
        """Weights in all; an embedding that is also the head counts once."""
        shape, hidden = self.a_pass, self.a_pass.hidden_size
        head = 0 if self.config.get("tie_word_embeddings") else shape.vocab_size * hidden
        return shape.vocab_size * hidden + head + shape.num_layers * self.layer_parameters + hidden

    @property
    def layer_parameters(self) -> int:
        """Weights of one layer."""
        shape, hidden = self.a_pass, self.a_pass.hidden_size
        read = shape.attention_size + 2 * shape.key_value_size  # queries, keys and values
        found = hidden * read + shape.attention_size * hidden + 3 * hidden * shape.intermediate_size
        found += 2 * hidden  # norms
        if self.config["model_type"] in BIASED:
            found += read
        elif self.config.get("attention_bias"):
            found += read + hidden
        if self.config["model_type"] in NORMED:
            found += 2 * (
                self.config.get("head_dim") or hidden // self.config["num_attention_heads"]
            )
        return found

    @property
    def largest_matrix(self) -> int:
        """Weights of the largest matrix."""
        shape = self.a_pass
        return shape.hidden_size * max(shape.vocab_size, shape.intermediate_size)

    def adapter_parameters(self, rank: int, targets: tuple[str, ...]) -> int:
        """Weights of adapters of a rank on the matrices whose names end with `targets`.

        Raises:
            ValueError: If there is no such matrix in a layer.
        """
        shape = self.a_pass
        ends = {  # inputs and outputs
            "q_proj": (shape.hidden_size, shape.attention_size),
            "k_proj": (shape.hidden_size, shape.key_value_size),
            "v_proj": (shape.hidden_size, shape.key_value_size),
            "o_proj": (shape.attention_size, shape.hidden_size),
            "gate_proj": (shape.hidden_size, shape.intermediate_size),
            "up_proj": (shape.hidden_size, shape.intermediate_size),
            "down_proj": (shape.intermediate_size, shape.hidden_size),
        }
        for target in targets:
            if target not in ends:
                raise ValueError(unknown("lora_targets", target, ends))
        return shape.num_layers * sum(rank * sum(ends[target]) for target in targets)


def shape_of(agent: str) -> ModelShape:
    """Return the sizes of a model that is here, or whose name is known; no weights are read.

    Raises:
        ValueError: If it is neither.
        FileError: If its config is damaged, or says something else.
    """
    path = model_path(agent)
    file = Path(path) / "config.json"
    if file.is_file():
        try:
            return ModelShape.of(read_json(file))
        except FileError:
            raise
        except ValueError as error:
            raise FileError(f"{file}: {error}") from error
    name = path.removesuffix("-Instruct")
    if name not in KNOWN:
        names = ", ".join(f"hf:{known}[-Instruct]" for known in KNOWN)
        raise ValueError(
            f"`agent` must be a folder with a config.json, or one of {names}, got {shown(agent)}; "
            "download its config.json to a folder"
        )
    return ModelShape.of(KNOWN[name])
