"""Turn the words of the command line into a config, and what is wrong with them into one line."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import TypeVar

import tyro

from edgewise.errors import UsageError, usage

Config = TypeVar("Config")
FRAME = re.compile(r"[╭╮╰╯│─]+")  # what is drawn round a message


def parse(
    kind: type[Config],
    command: str,
    arguments: Sequence[str],
    default: Config | None = None,
) -> Config:
    """Return a `kind`, a dataclass, made of the flags; `--help` prints them and exits.

    Args:
        kind: The class.
        command: Whose flags they are.
        arguments: The flags.
        default: Has the values of flags that are not given; None for those of the class.

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


def one_line(message: str) -> str:
    """Return what a message of tyro says is wrong, without its frame, title and help."""
    lines = [FRAME.sub(" ", line).strip() for line in message.splitlines()]
    told = " ".join(line for line in lines[1:] if line)
    return re.split(r" (?:; )?(?:Got errors:|Argument helptext:|For full helptext)", told)[0]
