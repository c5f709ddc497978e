"""Which model a name means, and what it was made for; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from inspect import signature
from pathlib import Path
from typing import Any

from edgewise import own_code
from edgewise.errors import unknown
from edgewise.fields import convert
from edgewise.files import about, read_json

CARD: dict[str, Any] = {"envs": list[str], "preset": str | None, "train": Mapping[str, Any]}
TRAIN: dict[str, Any] = {  # the flags of `edgewise train` that a model has defaults for
    "num_steps": int,
    "num_problems": int,
    "group_size": int,
    "learning_rate": float,
}
MODELS = "edgewise_seedlings"  # a distribution of its own
CHOICES = ("seedling", "seedling:NAME", "hf:PATH", "MODULE:FUNCTION")
RESERVED = (  # what stands before the colon of agents that are no code of the user's own
    "seedling", "hf", "vllm", "openai", "oracle", "constant", "random", "simulated", "human",
)  # fmt: skip


def is_own(agent: str) -> bool:
    """Return whether `agent` is code of the user's own: "module:object", or an entry point's name.

    >>> is_own("my_module:make"), is_own("seedling:puzzles"), is_own("hf:PATH")
    (True, False, False)
    """
    kind, colon, _ = agent.partition(":")
    if kind in RESERVED:
        return False
    return bool(colon) or agent in own_code.installed(own_code.AGENTS)


def own_model(agent: str) -> tuple[Any, Any]:
    """Return the model and the tokenizer that a function of the user's own makes.

    Raises:
        ValueError: If there is no such function, its module is not imported, or it makes something else.
    """
    make = own_code.own_object(agent, own_code.AGENTS, "agent")
    made = make() if callable(make) and not signature(make).parameters else None
    if not isinstance(made, tuple) or len(made) != 2:
        raise own_code.CodeError(
            f"{own_code.file_of(agent, make)}: `agent` must be a function without arguments that returns a "
            f"model of transformers and its tokenizer, got {agent}"
        )
    return made


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
        raise ValueError(unknown("agent", agent, CHOICES))
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


def preset_for(agent: str, env_id: str, preset: str | None) -> str | None:
    """Return `preset` if it is given, else the one that a model was made for, None for the first.

    Args:
        agent: As the command line names it; others than models of this process were made for none.
        env_id: A registered environment.
        preset: What the user asks for.
    """
    kind, _, name = agent.partition(":")
    if preset is not None or kind not in ("seedling", "hf", "vllm"):
        return preset
    card = made_for(f"hf:{name}" if kind == "vllm" else agent)
    made: str | None = card["preset"] if env_id in card["envs"] else None
    return made


def made_for(agent: str) -> dict[str, Any]:
    """Return what the model's edgewise.json says: "envs", "preset", and defaults to "train" it.

    Raises:
        FileError: If the file is none, or says something else.
    """
    card: dict[str, Any] = {"envs": [], "preset": None, "train": {}}
    if is_own(agent):
        return card
    path = Path(model_path(agent)) / "edgewise.json"
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
