"""Folders and files of JSON lines that work can be resumed from, whenever it was killed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgewise.files import Check, FileError, read_json, read_jsonl, writable, write_atomically


class JsonLines:
    r"""A file of JSON objects, one a line, that grows; a line that a kill cut off is none.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as path:
        ...     lines = JsonLines(Path(path) / "steps.jsonl", needed=("step",))
        ...     _ = lines.path.write_text('{"step": 1}\n{"st')  # it was killed here
        ...     lines.cut()
        ...     lines.append([{"step": 2}])
        ...     list(lines.read())
        [{'step': 1}, {'step': 2}]
    """

    def __init__(
        self, path: Path, needed: Collection[str] = (), check: Check | None = None
    ) -> None:
        """Take a file, which need not be there; each object must have the keys `needed` and pass `check`."""
        self.path, self.needed, self.check = path, needed, check

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the objects of the complete lines.

        Raises:
            FileError: If a line is damaged, lacks a key or is refused, with the path and the line.
        """
        if self.path.exists():
            yield from read_jsonl(self.path, self.needed, check=self.check)

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add objects, in one write where the system allows it.

        Raises:
            OSError: If it cannot be written, with the path.
        """
        content = memoryview(as_lines(records).encode())
        with writable(self.path), self.path.open("ab", buffering=0) as file:
            while content:
                content = content[file.write(content) :]

    def rewrite(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Replace all lines, whole or not at all.

        Raises:
            OSError: If it cannot be written, with the path.
        """
        write_atomically(self.path, as_lines(records))

    def cut(self) -> None:
        """Drop a last line without an end, in place.

        Raises:
            FileError: If it is a folder.
        """
        if self.path.is_dir():
            raise FileError(f"{self.path}: must be a file, got a folder")
        if self.path.exists():
            with writable(self.path), self.path.open("rb+") as file:
                file.truncate(file.read().rfind(b"\n") + 1)


def as_lines(records: Iterable[Mapping[str, Any]]) -> str:
    """Return objects as JSON, a line each."""
    return "".join(json.dumps(record) + "\n" for record in records)


def finished(number: int, what: str) -> str:
    """Return what a command says that finds all of its work done.

    >>> finished(20, "steps are done")
    'finished: all 20 steps are done, and stay as they are'
    """
    return f"finished: all {number} {what}, and stay as they are"


class Folder:
    """A folder of files that are written whole or not at all, and of JSON lines that grow."""

    def __init__(self, path: Path) -> None:
        """Take a folder."""
        self.path = path

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file, whole or not at all."""
        self.write_text(name, json.dumps(content, indent=2) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a file, whole or not at all."""
        write_atomically(self.path / name, text)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the object in a JSON file, None if it is not there.

        Raises:
            FileError: If it is damaged.
        """
        path = self.path / name
        return read_json(path) if path.exists() else None

    def config(self) -> dict[str, Any]:
        """Return the object in config.json, which says what was asked for.

        Raises:
            FileError: If it is damaged or gone.
        """
        return read_json(self.path / "config.json")

    def lines(
        self, name: str, needed: Collection[str] = (), check: Check | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the complete lines of a JSON-lines file, none if it is not there.

        Raises:
            FileError: If one is damaged, has not all keys of `needed` or does not pass `check`.
        """
        return JsonLines(self.path / name, needed, check).read()

    def append(self, name: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Add lines to a JSON-lines file.

        Raises:
            OSError: If it cannot be written, with the path.
        """
        JsonLines(self.path / name).append(records)
