"""Files that survive a kill at any moment, and a power cut."""

from __future__ import annotations

import os
from pathlib import Path

PARTIAL = ".partial"  # the end of the name of what is not yet whole, or no longer


def write_atomically(path: Path, text: str) -> None:
    """Write a file, whole or not at all; its folder must be there."""
    partial = path.with_name(f"{path.name}{PARTIAL}")
    partial.write_text(text, encoding="utf-8")
    flush(partial)
    os.replace(partial, path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name != "posix":  # folders cannot be opened, and files only to write
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
