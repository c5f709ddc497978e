"""What `edgewise train` and `edgewise preflight` are asked: by a recipe, and the flags beside it."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from edgewise.agents.training.config import TrainConfig, from_recipe
from edgewise.cli.parse import parse
from edgewise.errors import usage


def parse_training(command: str, arguments: Sequence[str]) -> TrainConfig:
    """Return what a run is asked to do: by a recipe, if one is named, and the flags beside it.

    Raises:
        UsageError: If a flag does not exist, or a value or the recipe is refused.
    """
    path = flag(arguments, "recipe")
    if path is None:
        return parse(TrainConfig, command, arguments)
    with usage():
        recipe = from_recipe(Path(path))
    return parse(TrainConfig, command, arguments, recipe)


def flag(arguments: Sequence[str], name: str) -> str | None:
    """Return the value of one flag before all are parsed, None without it."""
    finder = ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument(f"--{name}", dest="value", nargs="?")
    value: str | None = finder.parse_known_args(list(arguments))[0].value
    return value
