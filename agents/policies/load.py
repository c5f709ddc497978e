"""Which model a name means, and what it was made for.

The engines by name, as the command line and run folders call them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Literal
from weakref import finalize

import torch

from edgewise.agents import distributed
from edgewise.agents.policies.chat import ChatOptions
from edgewise.agents.policies.engine import EnginePolicy
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.policies.vllm_engine import VLLMEngine, VLLMSettings
from edgewise.agents.policies.vllm_server import VLLMServer
from edgewise.errors import unknown
from edgewise.fields import convert
from edgewise.files import about, read_json
from edgewise.wrappers.rules.catalogue import construct

Precision = Literal["float32", "bfloat16"]
CARD: dict[str, Any] = {"envs": list[str], "preset": str | None, "train": Mapping[str, Any]}
TRAIN: dict[str, Any] = {  # the flags of `edgewise train` that a model has defaults for
    "num_steps": int,
    "num_problems": int,
    "group_size": int,
    "learning_rate": float,
}
MODELS = "edgewise_seedlings"  # a distribution of its own


def model_path(agent: str) -> str:
    """Return the folder or hub id that `agent` names: seedling, seedling:NAME or hf:PATH.

    Raises:
        ImportError: If it is a seedling, and those are not installed.
        ValueError: If it names none.
    """
    kind, _, name = agent.partition(":")
    if kind == "hf" and name:
        return name
    if kind != "seedling":
        raise ValueError(unknown("agent", agent, ["seedling", "seedling:NAME", "hf:PATH"]))
    folder = seedlings()
    names = sorted(path.parent.name for path in folder.glob("*/config.json"))
    name = name or "countdown"
    if name not in names:
        raise ValueError(unknown("seedling", name, names))
    return str(folder / name)


def seedlings() -> Path:
    """Return the folder of the packaged models, one folder for each.

    Raises:
        ImportError: If they are not installed, with how to install them.
    """
    try:
        return Path(str(files(MODELS)))
    except ModuleNotFoundError as error:
        raise ImportError(
            "the seedlings are in edgewise-seedlings: pip install 'edgewise[train]', "
            "or in a checkout pip install ./seedlings"
        ) from error


def load_policy(
    agent: str,
    dtype: Precision = "float32",
    device: torch.device | str = "cpu",
    chat: ChatOptions | None = None,
) -> TransformersPolicy:
    """Return the policy that `agent` names, with weights of `dtype`, on `device`; `chat` is its own.

    Raises:
        ImportError: If the seedlings are asked for and not installed.
        ValueError: If there is no such model or device.
    """
    check_device(device)
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


def made_for(agent: str) -> dict[str, Any]:
    """Return what the model's edgewise.json says: "envs", "preset", and defaults to "train" it.

    Raises:
        FileError: If the file is none, or says something else.
    """
    path = Path(model_path(agent)) / "edgewise.json"
    card: dict[str, Any] = {"envs": [], "preset": None, "train": {}}
    if path.is_file():
        record = read_json(path)
        with about(path):
            card |= {
                name: convert(record[name], CARD[name], name) for name in card if name in record
            }
            for name, value in card["train"].items():
                if name not in TRAIN:
                    raise ValueError(unknown("train", name, TRAIN))
                convert(value, TRAIN[name], f"train.{name}")
    return card


OWN = "transformers"  # the learner itself
CHOICES = (OWN, "vllm", "vllm:ARGUMENT=VALUE", "http://HOST:PORT")
IMPORTANCE_CAP = (
    2.0  # of the weight of a token that something else than the learner samples, as in verl
)


def with_engine(
    policy: TransformersPolicy, engine: str, folder: Path | None = None
) -> TransformersPolicy:
    """Return `policy`, which samples with `engine`.

    Args:
        policy: Learns.
        engine: transformers, vllm with its arguments, or the URL of a vLLM server.
        folder: Where a server reads new weights; by default a new temporary one.

    Raises:
        ImportError: If vLLM is not installed.
        ConnectionError: If there is no such server.
        ValueError: If there is no such engine, it does not sample from the weights of `policy`,
            several processes want one, or `folder` has a model.
    """
    if engine == OWN:
        return policy
    if distributed.num_ranks() > 1:
        raise ValueError(f"`engine` must be {OWN} with several processes, got {engine!r}")
    if engine.startswith(("http://", "https://")):
        size = policy.model.config.get_text_config().vocab_size
        if folder is not None and (folder / "config.json").is_file():
            raise ValueError(
                f"`engine_folder` must hold no model, since weights are written there, got {folder}"
            )
        place = Path(mkdtemp(prefix="edgewise-")) if folder is None else folder
        server = VLLMServer(engine, place, size)
        if folder is None:
            finalize(server, rmtree, place, ignore_errors=True)  # as large as the model
        return EnginePolicy(policy, server)
    if engine.split(":")[0] != "vllm":
        raise ValueError(unknown("engine", engine, CHOICES))
    settings: VLLMSettings = construct("engine", engine, {"vllm": VLLMSettings})
    if settings.max_length is not None:
        most = settings.max_length
        policy.positions = most if policy.positions is None else min(most, policy.positions)
    return EnginePolicy(policy, VLLMEngine(policy, settings))
