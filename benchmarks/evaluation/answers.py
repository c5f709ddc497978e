"""The files of an evaluation; every answer is kept as soon as it is known."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from edgewise.files import FileError, read_json, read_jsonl, write_atomically
from edgewise.lock import LOCK

Key = tuple[str, int, int, int]
KEY = ("part", "level", "problem_seed", "sample")


class EvaluationFolder:
    """The files of one evaluation.

    config.json     what was asked, of whom
    problems.jsonl  every problem with its prompt and its name
    answers.jsonl   every answer with its verdict, in the order in which they came; one that could not
                    be verified has none, and is there again once it has
    summary.json, summary.md, report.html

    It survives a kill at any moment: a line that was cut off is dropped, the others stay.
    """

    def __init__(self, path: Path) -> None:
        """Take an existing folder."""
        self.path = path

    @classmethod
    def begin(cls, path: Path, config: Mapping[str, Any]) -> EvaluationFolder:
        """Make the folder of an evaluation, or take up the one that asks the same.

        Raises:
            ValueError: If it is not empty and of something else.
        """
        folder = cls(path)
        if not (path / "config.json").is_file():
            if path.exists() and (not path.is_dir() or set(os.listdir(path)) - {LOCK}):
                raise FileError(
                    f"{path / 'config.json'}: `output` must be new, or of an evaluation, "
                    "got no such file"
                )
            path.mkdir(parents=True, exist_ok=True)
            folder.write("config.json", json.dumps(config, indent=2) + "\n")
            return folder
        before = folder.read("config.json")
        asked = before.get("asked")
        if not isinstance(asked, dict):
            raise ValueError(f"`output` must be new, or of an evaluation, got {path}")
        for name, value in json.loads(json.dumps(config["asked"])).items():
            if asked.get(name) != value:
                raise ValueError(
                    f"`output` must be new, or of an evaluation that asks the same, got {path} with "
                    f"another {name}"
                )
        told = {
            name: value for name, value in config.get("prices", {}).items() if value is not None
        }
        if told:
            prices = {**(before.get("prices") or {}), **told}
            folder.write("config.json", json.dumps({**before, "prices": prices}, indent=2) + "\n")
        return folder

    @classmethod
    def open(cls, path: Path) -> EvaluationFolder:
        """Take up the folder of an evaluation.

        Raises:
            ValueError: If it is none.
        """
        if not is_evaluation(path):
            raise ValueError(f"`folder` must be of an evaluation, got {path}")
        return cls(path)

    def write(self, name: str, text: str) -> None:
        """Write a file, whole or not at all."""
        write_atomically(self.path / name, text)

    def read(self, name: str) -> dict[str, Any]:
        """Return the object in a JSON file.

        Raises:
            FileError: If it is not there, or damaged.
        """
        return read_json(self.path / name)

    def keep(self, name: str, text: str) -> None:
        """Write a file unless it has that text already.

        Raises:
            FileError: If it is a folder.
        """
        path = self.path / name
        if path.is_dir():
            raise FileError(f"{path}: must be a file, got a folder")
        if not path.exists() or path.read_bytes() != text.encode():
            self.write(name, text)

    def lines(self, name: str, needed: Collection[str] = ()) -> list[dict[str, Any]]:
        """Return the complete lines of a JSON-lines file, none if it is not there.

        Raises:
            FileError: If one is damaged or has not all keys of `needed`.
        """
        path = self.path / name
        return list(read_jsonl(path, needed)) if path.exists() else []


def is_evaluation(path: Path) -> bool:
    """Return whether a folder is of an evaluation."""
    if not (path / "config.json").is_file():
        return False
    return isinstance(EvaluationFolder(path).read("config.json").get("asked"), dict)


class AnswerFile:
    """Where answers are added, by a process that holds the lock of the folder."""

    def __init__(self, path: Path) -> None:
        """Open the file, and drop a line that was cut off.

        Raises:
            FileError: If a line is damaged.
        """
        if path.is_dir():
            raise FileError(f"{path}: must be a file, got a folder")
        self.known: set[Key] = set()  # answers with a verdict
        self.unverified: dict[Key, Mapping[str, Any]] = {}  # the others
        for record in read_jsonl(path, (*KEY, "correct")) if path.exists() else ():
            self.note(record)
        self.file = path.open("ab+", buffering=0)
        self.file.seek(0)
        self.file.truncate(self.file.read().rfind(b"\n") + 1)

    def __enter__(self) -> AnswerFile:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.file.close()

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add answers; those that are there already, with no less of a verdict, are passed over."""
        lines = [json.dumps(record) + "\n" for record in records if self.note(record)]
        content = memoryview("".join(lines).encode())
        while content:
            content = content[self.file.write(content) :]

    def note(self, record: Mapping[str, Any]) -> bool:
        """Remember an answer, and return whether that is new."""
        key, lost = key_of(record), record["correct"] is None
        if key in self.known or (lost and key in self.unverified):
            return False
        if lost:
            self.unverified[key] = record
        else:
            self.known.add(key)
            self.unverified.pop(key, None)
        return True


def key_of(record: Mapping[str, Any]) -> Key:
    """Return what tells an answer from the others."""
    return record["part"], record["level"], record["problem_seed"], record["sample"]
