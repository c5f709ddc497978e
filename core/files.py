"""Files that survive a kill at any moment, and a power cut; what is read of them is checked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgewise.errors import UsageError
from edgewise.json_text import MAX_BYTES, MAX_DEPTH, depth

PARTIAL = ".partial"  # the end of the name of what is not yet whole, or no longer


class FileError(UsageError, ValueError):
    """A file or folder that is not what it must be; the message begins with its path, and line."""


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


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8.

    Raises:
        FileError: If it cannot be read.
    """
    with readable(path):
        content = path.read_bytes()
    return decoded(content, path, 1)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        FileError: If there is no such file, or it holds anything else, or more than a config does.
    """
    with readable(path):
        size = path.stat().st_size
    if size > MAX_BYTES:
        raise FileError(f"{path}: must have at most {MAX_BYTES:,} bytes, got {size:,}")
    found = parsed(read_text(path), path, None)
    if depth(found, MAX_DEPTH) > MAX_DEPTH:
        raise FileError(f"{path}: must be at most {MAX_DEPTH} deep, got more")
    return found


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Make a FileError of what the system says while the block reads `path`."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Begin what is refused about the content of `path` with the path.

    Raises:
        FileError: In place of a ValueError.
    """
    try:
        yield
    except FileError:
        raise
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error


def decoded(content: bytes, path: Path, number: int) -> str:
    """Return the text of `content`, which begins at line `number` of `path`."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = number + content.count(b"\n", 0, error.start)
        found = content[error.start]
        raise FileError(f"{path}:{line}: must be UTF-8, got the byte {found:#04x}") from error


def parsed(text: str, path: Path, number: int | None) -> dict[str, Any]:
    """Return the JSON object in `text`, which is line `number` of `path`, or all of it."""
    place = f"{path}:{1 if number is None else number}"
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{path}:{error.lineno if number is None else number}"
        raise FileError(f"{place}: must be JSON, got {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise FileError(f"{place}: must be JSON, got too many brackets inside others") from error
    except ValueError as error:  # of a number
        raise FileError(f"{place}: must be JSON, got {error}") from error
    if not isinstance(found, dict):
        raise FileError(f"{place}: must be a JSON object, got {type(found).__name__}")
    return found
