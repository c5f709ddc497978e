"""The files of an evaluation; every answer is kept as soon as it is known."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgewise.agents.algorithms.config import NotNegative
from edgewise.agents.training.record_fields import (
    Natural,
    Text,
    Texts,
    Whole,
    Writable,
    check_fields,
    checked,
)
from edgewise.errors import shown
from edgewise.files import FileError, about
from edgewise.folder import Folder, JsonLines
from edgewise.lock import LOCK

Key = tuple[str, int, int, int]
KEY = ("part", "level", "problem_seed", "sample")
PLACE: Mapping[str, Any] = {"part": Text, "level": Whole, "problem_seed": Whole}
ANSWER: Mapping[str, Any] = {  # of answers.jsonl; counts are None where nobody counted
    **PLACE,
    "sample": Natural,
    "completion": Text,
    "turns": Texts,
    "answer": Text | None,
    "correct": bool | None,
    "formatted": bool,
    "ended": bool,
    "num_tokens": NotNegative | None,
    "num_prompt_tokens": NotNegative | None,
    "seconds": NotNegative,
}
CONFIG: Mapping[str, Any] = {  # of config.json
    "command": Writable, "version": Writable, "commit": Writable | None,
}  # fmt: skip
ASKED: Mapping[str, Any] = {"suite": Writable, "agent": Writable, "checksum": Writable}
PART: Mapping[str, Any] = {
    "name": Writable, "preset": Writable, "num_problems": Natural, "num_samples": Natural,
    "temperature": NotNegative, "top_p": NotNegative, "max_tokens": Natural, "checksum": Writable,
}  # fmt: skip
SKIPPED: Mapping[str, Any] = {"name": Writable, "reason": Writable}
PROBLEM: Mapping[str, Any] = {  # of problems.jsonl
    **PLACE, "ood": bool, "num_samples": Natural, "name": Text, "prompt": Text,
}  # fmt: skip


class EvaluationFolder(Folder):
    """The files of one evaluation.

    config.json     what was asked, of whom
    problems.jsonl  every problem with its prompt and its name
    answers.jsonl   every answer with its verdict, in the order in which they came; one that could not
                    be verified has none, and is there again once it has
    summary.json, summary.md, report.html

    It survives a kill at any moment: a line that was cut off is dropped, the others stay.
    """

    @classmethod
    def begin(cls, path: Path, config: Mapping[str, Any]) -> EvaluationFolder:
        """Make the folder of an evaluation at `path`, or take up the one that asks the same.

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
            folder.write("config.json", config)
            return folder
        before = folder.config()
        asked = before.get("asked")
        if not isinstance(asked, dict):
            raise ValueError(f"`output` must be new, or of an evaluation, got {path}")
        for name, value in json.loads(json.dumps(config["asked"])).items():
            if asked.get(name) != value:
                raise ValueError(
                    f"`output` must be new, or of an evaluation that asks the same, got {path} with "
                    f"another {name}; name another with --output"
                )
        prices_given = {
            name: value for name, value in config.get("prices", {}).items() if value is not None
        }
        if prices_given:
            prices = {**(before.get("prices") or {}), **prices_given}
            folder.write("config.json", {**before, "prices": prices})
        return folder

    @classmethod
    def open(cls, path: Path) -> EvaluationFolder:
        """Open the folder of an evaluation at `path`.

        Raises:
            ValueError: If it is none.
        """
        if not is_evaluation(path):
            raise ValueError(f"{path}: must be the folder of an evaluation, got none")
        return cls(path)

    def whole_config(self) -> dict[str, Any]:
        """Return what was asked of whom, as `edgewise eval` writes it.

        Raises:
            FileError: If it is damaged or gone.
        """
        config = self.config()
        with about(self.path / "config.json"):
            check_config(config)
        return config

    def answers(self, needed: Collection[str]) -> Iterator[dict[str, Any]]:
        """Yield the answers, which must have the keys `needed`.

        Raises:
            FileError: If one is damaged, with the path and the line.
        """
        return self.lines("answers.jsonl", needed, checked(ANSWER))

    def problems(self) -> Iterator[dict[str, Any]]:
        """Yield the problems.

        Raises:
            FileError: If one is damaged, with the path and the line.
        """
        return self.lines("problems.jsonl", PROBLEM, checked(PROBLEM))

    def keep(self, name: str, text: str) -> None:
        """Write a file unless it has that text already.

        Raises:
            FileError: If it is a folder.
        """
        path = self.path / name
        if path.is_dir():
            raise FileError(f"{path}: must be a file, got a folder")
        if not path.exists() or path.read_bytes() != text.encode():
            self.write_text(name, text)


def check_config(config: Mapping[str, Any]) -> None:
    """Raise ValueError if a field of the config of an evaluation is missing or of another type."""
    check_fields(config, CONFIG)
    check_fields(config.get("asked"), ASKED, "asked")
    for where, fields, parts in (
        ("asked.parts", PART, config["asked"].get("parts")),
        ("skipped", SKIPPED, config.get("skipped")),
    ):
        if not isinstance(parts, list):
            raise ValueError(f"`{where}` must be a list, got {shown(parts)}")
        for place, part in enumerate(parts):
            check_fields(part, fields, f"{where}[{place}]")
    prices = config.get("prices") or {}
    check_fields(prices, dict.fromkeys(prices, NotNegative | None), "prices")


def is_evaluation(path: Path) -> bool:
    """Return whether a folder is of an evaluation."""
    if not (path / "config.json").is_file():
        return False
    return isinstance(EvaluationFolder(path).config().get("asked"), dict)


class AnswerFile:
    """Where answers are added, by a process that holds the lock of the folder."""

    def __init__(self, path: Path) -> None:
        """Read the file, and drop a line that was cut off.

        Raises:
            FileError: If a line is damaged.
        """
        self.file = JsonLines(path, (*KEY, "correct"), checked(ANSWER))
        self.known: set[Key] = set()  # answers with a verdict
        self.unverified: dict[Key, Mapping[str, Any]] = {}  # the others
        for record in () if path.is_dir() else self.file.read():
            self.note(record)
        self.file.cut()  # a line that is damaged otherwise was refused above

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add answers; those that are there already, with no less of a verdict, are passed over."""
        self.file.append([record for record in records if self.note(record)])

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
    """Return the key of an answer."""
    return record["part"], record["level"], record["problem_seed"], record["sample"]
