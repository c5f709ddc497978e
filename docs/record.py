"""Record what a command prints in a terminal, as an SVG that needs no font and no network.

    python docs/record.py docs/pictures/demo.svg make demo

The command runs in a pseudo-terminal of 100 columns; its last lines are kept, below the command itself.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100  # columns
MOST = 60  # lines
FONT = re.compile(
    r"@font-face \{.*?\}", re.DOTALL
)  # of a server; without it the reader's own is taken


def output_of(words: list[str]) -> str:
    """Run a command in a terminal, and return all that it printed; it must end with 0."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    said = bytearray()
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as made:
        os.close(theirs)
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:  # the terminal is closed at the other end
            pass
    os.close(ours)
    if made.returncode:
        raise SystemExit(f"{shlex.join(words)} ended with {made.returncode}\n{said.decode()}")
    return said.decode("utf-8", "replace").replace("\r\n", "\n")


def svg_of(command: str, said: str) -> str:
    """Return the picture of a terminal in which a command printed `said`."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    lines = said.strip("\n").splitlines()[-MOST:]
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi("\n".join(lines)))
    return FONT.sub("", console.export_svg(title=command))


def main(arguments: list[str]) -> None:
    """Run the command, and write its picture."""
    path, *words = arguments
    said = output_of(words)
    Path(path).write_text(svg_of(shlex.join(words), said), encoding="utf-8")
    print(f"{path}: {Path(path).stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
