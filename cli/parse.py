"""Parse flags into configs, with errors of one line."""

from __future__ import annotations

import io
import re
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TypeVar

import tyro

from edgewise.agents.training.flags import RecipeFlags, RunFlags
from edgewise.errors import UsageError, usage

Config = TypeVar("Config")
FRAME = re.compile(r"[╭╮╰╯│─]+")  # what is drawn round a message


def configure(command: str, kind: str, arguments: Sequence[str]) -> Any:
    """Parse the flags of a command into its config; `--help` prints them and exits.

    Args:
        command: Its name.
        kind: Where its flags are: the "module:Class" of a dataclass, or of a function that returns one
            for the suite and the plan that the arguments name, each None if they name none.
        arguments: Its flags.

    Raises:
        UsageError: If a flag does not exist, or a value or the recipe is refused.
    """
    found: Any = resolve_name(kind)
    flags: type[Any] = (
        found
        if isinstance(found, type)
        else found(flag(arguments, "suite"), flag(arguments, "plan"))
    )
    return parse(flags, command, arguments)


def parse(kind: type[Config], command: str, arguments: Sequence[str]) -> Config:
    """Parse flags into the dataclass `kind`, over the values of a recipe if one is named.

    Raises:
        UsageError: If a flag does not exist, or a value or the recipe is refused.
    """
    default: Config | None = None
    path = flag(arguments, "recipe") if issubclass(kind, RecipeFlags) else None
    if issubclass(kind, RecipeFlags) and path is not None:
        with usage():
            default = kind.from_recipe(Path(path))
    config = parse_flags(kind, command, arguments, default)
    if isinstance(config, RunFlags) and config.resume is not None:
        given = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        if given - {"--resume", *config.beside_resume}:
            raise UsageError("`resume` must be the only flag; a run continues as it was begun")
    return config


def parse_flags(
    kind: type[Config], command: str, arguments: Sequence[str], default: Config | None
) -> Config:
    """Parse flags into `kind`; `default` has the values of those that are left out.

    Raises:
        UsageError: If a flag does not exist, or its value is refused.
    """
    refused = io.StringIO()
    try:
        with redirect_stderr(refused), usage():
            prog, words = f"edgewise {command}", list(arguments)
            if default is None:
                return tyro.cli(kind, prog=prog, args=words)
            return tyro.cli(kind, prog=prog, args=words, default=default)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UsageError(f"{one_line(refused.getvalue())}; see edgewise {command} --help") from None


def flag(arguments: Sequence[str], name: str) -> str | None:
    """Return the value of a single flag before all are parsed, None without it."""
    finder = ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument(f"--{name}", dest="value", nargs="?", const="")
    value: str | None = finder.parse_known_args(list(arguments))[0].value
    return value


def one_line(message: str) -> str:
    """Extract the error from a message of tyro, without its frame, title and help."""
    lines = [FRAME.sub(" ", line).strip() for line in message.splitlines()]
    text = " ".join(line for line in lines[1:] if line)
    return re.split(r" (?:; )?(?:Got errors:|Argument helptext:|For full helptext)", text)[0]
