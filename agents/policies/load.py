"""Load a policy by its name, and the engine that samples for it."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from weakref import finalize

import torch

from edgewise.agents import distributed
from edgewise.agents.policies.chat import ChatOptions
from edgewise.agents.policies.engine import EnginePolicy
from edgewise.agents.policies.model_card import is_own, model_path, own_model
from edgewise.agents.policies.options import OWN, SERVERS, Precision, VLLMSettings, vllm_settings
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.policies.vllm_engine import VLLMEngine
from edgewise.agents.policies.vllm_server import VLLMServer


def load_policy(
    agent: str,
    dtype: Precision = "float32",
    device: torch.device | str = "cpu",
    chat: ChatOptions | None = None,
) -> TransformersPolicy:
    """Return the policy that `agent` names, with weights of `dtype`, on `device`; `chat` is its own.

    An agent of one's own, "module:function", makes a model of transformers and its tokenizer.

    Example:
        >>> policy = load_policy("seedling")  # or seedling:NAME, or hf:PATH
        >>> sum(weight.numel() for weight in policy.parameters())
        1027456

    Raises:
        ImportError: If the seedlings are asked for and not installed.
        ValueError: If there is no such model or device.
    """
    check_device(device)
    if is_own(agent):
        model, tokenizer = own_model(agent)
        policy = TransformersPolicy(model.to(device, getattr(torch, dtype)), tokenizer)
    else:
        policy = TransformersPolicy.load(model_path(agent), getattr(torch, dtype), device)
    policy.chat = chat or ChatOptions()
    return policy


def check_device(device: torch.device | str) -> None:
    """Raise ValueError, with the devices that there are, unless torch can compute on `device`."""
    found = torch.device(device)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found.type == "cuda" and (found.index or 0) >= count:
        devices = ["cpu", *(f"cuda:{index}" for index in range(count))]
        raise ValueError(
            f"`device` must be one that torch finds here, {' or '.join(devices)}, got {str(device)!r}; "
            "give --device cpu"
        )


def with_engine(
    policy: TransformersPolicy, engine: str, folder: Path | None = None
) -> TransformersPolicy | EnginePolicy:
    """Return `policy`, which samples with `engine`.

    Args:
        policy: Learns.
        engine: transformers, vllm with its arguments, or the URL of a vLLM server.
        folder: Where a server reads new weights; by default a new temporary one.

    Raises:
        ImportError: If vLLM is not installed.
        ConnectionError: If there is no such server.
        ValueError: If there is no such engine, it does not sample from the weights of `policy`, or
            `folder` has a model.
    """
    if engine == OWN:
        return policy
    if engine.startswith(SERVERS):
        size = policy.model.config.get_text_config().vocab_size
        if folder is not None and (folder / "config.json").is_file():
            raise ValueError(
                f"`engine_folder` must hold no model, since weights are written there, got {folder}"
            )
        place = folder or Path(distributed.run_on_rank0(lambda: mkdtemp(prefix="edgewise-")))
        server = VLLMServer(engine, place, size)
        if folder is None and distributed.rank() == 0:
            finalize(server, rmtree, place, ignore_errors=True)  # as large as the model
        return EnginePolicy(policy, server)
    settings = vllm_settings(engine)
    limit_positions(policy, settings)
    return EnginePolicy(policy, VLLMEngine(policy, settings))


def limit_positions(policy: TransformersPolicy, settings: VLLMSettings) -> None:
    """Give `policy` as many positions as vLLM will have, if these are fewer."""
    if settings.max_length is not None:
        most = settings.max_length
        policy.positions = most if policy.positions is None else min(most, policy.positions)
