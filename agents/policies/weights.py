"""Models are loaded from safetensors alone, and bring no code: other files may run what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.peft_utils import find_adapter_config_file

from edgewise.errors import unknown

SAFE: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False}  # of from_pretrained
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError)
ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")
CONVERT = (
    "from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; "
    "M.from_pretrained({old!r}, use_safetensors=False).save_pretrained({new!r}); "
    "T.from_pretrained({old!r}).save_pretrained({new!r})"
)
MERGE = (
    "from peft import AutoPeftModelForCausalLM as M; from transformers import AutoTokenizer as T; "
    "M.from_pretrained({old!r}).merge_and_unload().save_pretrained({new!r}); "
    "T.from_pretrained({old!r}).save_pretrained({new!r})"
)


def refuse_unsafe(path: str | Path) -> None:
    """Check that a folder, if `path` is one, does not have its weights in another format.

    Raises:
        ValueError: If it has, with how to convert them.
    """
    folder = Path(path)
    adapter = folder / "adapter_model.bin"
    if not folder.is_dir() or (any(folder.glob("*.safetensors")) and not adapter.is_file()):
        return
    if found := sorted(part.name for part in folder.iterdir() if part.suffix in SUFFIXES):
        words = CONVERT.format(old=str(folder), new=f"{folder}-safetensors")
        raise ValueError(
            f"{folder}: weights must be in safetensors, got {found[0]}, which may run code when it is "
            f'loaded; if you trust it, convert it with: python -c "{words}"'
        )


def refuse_adapters(path: str | Path) -> None:
    """Check that a folder or hub id has no adapters, whose settings name another model to load in its place.

    Raises:
        ValueError: If it has, with how to merge them.
    """
    try:
        found = find_adapter_config_file(str(path))
    except UNREADABLE:  # what is read next says why
        return
    if found is not None:
        words = MERGE.format(old=str(path), new=f"{Path(path).name}-merged")
        raise ValueError(
            f"{path}: must be a whole model, got adapters, adapter_config.json, of a model that they "
            f'name; merge them into it with: python -c "{words}"'
        )


def refuse_kernels(path: str | Path) -> Any:
    """Return the config of a model if neither it nor its parts ask for a kernel that is code on the hub.

    Raises:
        ValueError: If it does.
    """
    config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    for part in (config, *(getattr(config, name) for name in config.sub_configs)):
        wanted = getattr(part, "_attn_implementation_internal", None) or "eager"
        if wanted not in ATTENTION:
            raise ValueError(f"{path}: {unknown('attn_implementation', wanted, ATTENTION)}")
    return config


def load_pretrained(path: str | Path) -> tuple[Any, Any]:
    """Return the causal language model of a folder or hub id, and its tokenizer.

    Raises:
        ValueError: If there is none, or its weights are in another format than safetensors.
    """
    refuse_unsafe(path)
    refuse_adapters(path)
    try:
        config = refuse_kernels(path)  # read once
        tokenizer = AutoTokenizer.from_pretrained(path, config=config, trust_remote_code=False)
        return AutoModelForCausalLM.from_pretrained(path, config=config, **SAFE), tokenizer
    except UNREADABLE as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"`model` must be a folder or hub id of a causal language model, got {str(path)!r}: {reason}"
        ) from error


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Return the ids of the tokens that end a text, in order.

    Raises:
        ValueError: If there are none.
    """
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    known = {end for end in (*ends, tokenizer.eos_token_id) if end is not None}
    if not known:
        raise ValueError("`tokenizer` must have an end-of-sequence token, got none")
    return sorted(known)
