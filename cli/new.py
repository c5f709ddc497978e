"""`edgewise new`: a package of one's own to begin with."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template

from edgewise.cli.flags import NewConfig
from edgewise.errors import UsageError, shown
from edgewise.files import replacing

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME = 50  # characters
EXAMPLES = {  # the first test problems of the task that is written
    "first": "597 + 555",
    "second": "198 + 105 + 782",
    "third": "208 + 527 + 496 + 539 + 801",
}
NEXT = {
    "env": "edgewise check {package}:{title}-v0\nedgewise train --env {package}:{title}-v0",
    "rule": "edgewise train --curriculum {package}:{title}:rate=0.5",
}
FILE = re.compile(r"^==== (.+)\n", re.MULTILINE)  # before a file of a template, with its path


def run(config: NewConfig, arguments: Sequence[str]) -> None:
    """Write the package atomically, and print the next steps."""
    path, package, title = Path(config.name), config.name.replace("-", "_"), title_of(config.name)
    check_name(config.name)
    if os.path.lexists(path):
        raise UsageError(f"`name` must be of no folder that exists, got {path}; name another")
    texts = {"distribution": config.name, "package": package, "title": title, **EXAMPLES}
    with replacing(path) as partial:
        written = write(config.kind, partial, texts)
    for name in written:
        print(path / name)
    print(f"pip install -e {path}, or cd {path}; then")
    print(NEXT[config.kind].format(**texts))


def check_name(name: str) -> None:
    """Raise UsageError unless a package may be called `name`.

    Raises:
        UsageError: If it is no name, or that of a module that is installed.
    """
    package = name.replace("-", "_")
    if not NAME.fullmatch(name) or len(name) > MAX_NAME or iskeyword(package):
        raise UsageError(
            f"`name` must be lower-case words with hyphens between, as word-sums, got {shown(name)}"
        )
    if package in sys.modules or find_spec(package) is not None:
        raise UsageError(
            f"`name` must be of no module that is installed, got {name!r}; name another"
        )


def title_of(name: str) -> str:
    """Return the name of the class.

    >>> title_of("word-sums")
    'WordSums'
    """
    return "".join(part.capitalize() for part in name.split("-"))


def write(kind: str, folder: Path, texts: dict[str, str]) -> list[Path]:
    """Write the files of a package, and return their paths in its folder."""
    template = files("edgewise.cli").joinpath("templates", f"{kind}.txt").read_text("utf-8")
    parts = FILE.split(Template(template).substitute(texts))[1:]
    written = {Path(path): content for path, content in zip(parts[::2], parts[1::2], strict=True)}
    for path, content in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    return list(written)
