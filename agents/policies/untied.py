"""A model as vLLM can be given new weights: its head is not tied to its embeddings.

vLLM keeps a tied head as it is when weights are reloaded on a CPU, and says nothing. With a matrix of
its own the head gets its weights by name, at the cost of that matrix. Weights that are never reloaded,
those below adapters, stay tied.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.files import replacing

FILE = "model.safetensors"
HEAD = "lm_head.weight"  # by the name of transformers


def write_config(policy: TransformersPolicy, folder: str | Path, *, untie: bool = True) -> None:
    """Write to `folder` all of the model of `policy` but its weights."""
    config = deepcopy(policy.model.config)
    if untie:
        config.tie_word_embeddings = False
    config.save_pretrained(folder)
    policy.model.generation_config.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)


def as_saved(policy: TransformersPolicy) -> dict[str, Tensor]:
    """Return the weights of `policy` as a folder of its model has them: a tied head is none of them."""
    ends = (policy.model.get_input_embeddings(), policy.model.get_output_embeddings())
    tied = ends[0].weight is ends[1].weight
    return {name: weight for name, weight in policy.whole().items() if not (tied and name == HEAD)}


def write_weights(weights: Mapping[str, Tensor], folder: str | Path) -> None:
    """Write `weights` to `folder`, whole or not at all.

    Raises:
        OSError: If they cannot be written.
    """
    content = {name: weight.detach().cpu().clone() for name, weight in weights.items()}
    try:
        with replacing(Path(folder) / FILE) as partial:
            save_file(content, partial, metadata={"format": "pt"})
    except SafetensorError as error:  # which does not say what the system said
        raise OSError(f"{folder} cannot be written: {error}") from error
