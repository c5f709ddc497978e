"""The scores of a run's model before and after: before.json and after.json, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewise.agents.training.samples import is_count
from edgewise.files import FileError
from edgewise.folder import Folder

SCORES = ("pass_at_1", "low", "high")

Row = dict[str, Any]


def read_scores(folder: Folder, name: str) -> Row | None:
    """Return the record in a file of scores, None if there is no such file.

    Raises:
        FileError: If it has no scores of levels.
    """
    found = folder.read(name)
    if found is not None:
        levels_of(found, folder, name)
    return found


def levels_of(record: Mapping[str, Any], folder: Folder, name: str) -> list[Mapping[str, Any]]:
    """Return the scores of each level in a record of the file `name`.

    Raises:
        FileError: If they are none.
    """
    found = record.get("levels")
    if not isinstance(found, list) or not all(map(is_score, found)):
        raise FileError(f"{folder.path / name}: must have the scores of levels, got {found!r:.50}")
    return found


def is_score(row: object) -> bool:
    """Return whether a record is the score of a level."""
    return (
        isinstance(row, dict)
        and {"env", "ood"} <= row.keys()
        and is_count(row.get("level"))
        and all(is_rate(row.get(name)) for name in SCORES)
    )


def is_rate(value: object) -> bool:
    """Return whether a value is a number from 0 to 1."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
