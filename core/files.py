"""Files that survive a kill at any moment, and a power cut; what is read of them is checked."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgewise.errors import UsageError
from edgewise.json_text import MAX_BYTES, MAX_DEPTH, depth, unique

PARTIAL = ".partial"  # the end of the name of what is not yet whole, or no longer
Check = Callable[[dict[str, Any]], object]  # raises ValueError about an object that is refused


class FileError(UsageError, ValueError):
    """A file or folder that is not what it must be; the message begins with its path, and line."""


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file, whole or not at all; its folder must be there.

    Raises:
        OSError: If it cannot be written, with the path; what was there before is as it was.
    """
    with replacing(path) as partial:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for a file or folder, which atomically replaces `path` at the end.

    It is on the disk itself before it takes that place. If the block raises, it is removed, and what
    was at `path` is as it was. A folder is replaced in two steps, so that a kill between them leaves
    none.

    Raises:
        OSError: If it cannot be written, with the path.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")  # one for each process
    try:
        yield partial
        for part in (*partial.rglob("*"), partial):
            flush(part)
        put(partial, path)
    except BaseException as error:
        remove(partial)
        if isinstance(error, OSError) and error.filename in (None, str(partial)) and error.errno:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    flush(path.parent)


def put(partial: Path, path: Path) -> None:
    """Rename `partial` to `path`, replacing what is there."""
    if not (partial.is_dir() and path.is_dir()):
        os.replace(partial, path)
        return
    before = partial.with_name(f"{path.name}.before.{os.getpid()}{PARTIAL}")
    os.replace(path, before)
    os.replace(partial, path)
    shutil.rmtree(before)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name != "posix":  # folders cannot be opened, and files only to write
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def said(error: OSError) -> str:
    """Format an OSError as one line that begins with the path of the file."""
    if error.filename is None or error.strerror is None:
        return " ".join(str(error).split())
    return f"{error.filename}: {error.strerror}"


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
        FileError: If there is no such file, or it holds anything else, or more than a config does, or
            a key twice.
    """
    with readable(path):
        size = path.stat().st_size
    if size > MAX_BYTES:
        raise FileError(f"{path}: must have at most {MAX_BYTES:,} bytes, got {size:,}")
    found = parsed(read_text(path), path, None)
    if depth(found, MAX_DEPTH) > MAX_DEPTH:
        raise FileError(f"{path}: must be at most {MAX_DEPTH} deep, got more")
    return found


def read_jsonl(
    path: Path, needed: Collection[str] = (), growing: bool = True, check: Check | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the objects that `numbered_jsonl` does, without their lines."""
    return (record for _, record in numbered_jsonl(path, needed, growing, check))


def numbered_jsonl(
    path: Path, needed: Collection[str] = (), growing: bool = True, check: Check | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line and object of a file of JSON lines, which may be packed by gzip; blank lines are none.

    Args:
        path: The file.
        needed: Keys that every object must have.
        growing: Whether a last line without an end is one that a kill cut off, which is left out.
        check: What every object must pass.

    Raises:
        FileError: If there is no such file, or a line is no such object or has a key twice.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    with readable(path), opened(path, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip() or (growing and is_cut_off(line)):
                continue
            record = parsed(decoded(line, path, number), path, number)
            for key in needed:
                if key not in record:
                    raise FileError(f"{path}:{number}: must have {key!r}, got {list(record)}")
            if check is not None:
                with about(Path(f"{path}:{number}")):
                    check(record)
            yield number, record


def is_cut_off(line: bytes) -> bool:
    """Return whether a line is the beginning of an object of ours, without an end."""
    return not line.endswith(b"\n") and line.startswith(b"{") and line.isascii()


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn an OSError that is raised while the block reads `path` into a FileError."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise FileError(f"{path}: must be a whole gzip file, got {error}") from error


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Add `path` to any OSError that is raised while the block writes to it.

    Raises:
        OSError: If it cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


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
    """Return the JSON object in `text`, which is line `number` of `path`, or all of it.

    Args:
        text: JSON.
        path: Of the file.
        number: Of the line, None for the whole file.
    """
    place = f"{path}:{1 if number is None else number}"
    try:
        found = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        place = f"{path}:{error.lineno if number is None else number}"
        raise FileError(f"{place}: must be JSON, got {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise FileError(f"{place}: must be JSON, got too many brackets inside others") from error
    except ValueError as error:  # of a number or a key
        raise FileError(f"{place}: must be JSON, got {error}") from error
    if not isinstance(found, dict):
        raise FileError(f"{place}: must be a JSON object, got {type(found).__name__}")
    return found
