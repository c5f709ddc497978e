"""Which version of the code made something, and which commit if it ran from a checkout."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any


def provenance() -> dict[str, Any]:
    """Return the version, and the commit if this is a checkout of one, else None."""
    return {"version": version("edgewise"), "commit": commit_of(Path(__file__).resolve())}


@cache
def commit_of(path: Path) -> str | None:
    """Return the commit of the checkout that has the file `path`, None if none tracks it.

    A process asks git once: what it runs is what it has imported.
    """
    git = ["git", "-C", str(path.parent)]
    describe = ["describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    try:
        found = subprocess.run(
            [*git, "ls-files", "--error-unmatch", path.name], capture_output=True
        )
        if found.returncode != 0:
            return None
        said = subprocess.run([*git, *describe], capture_output=True, text=True)
    except OSError:
        return None
    return said.stdout.strip() or None
