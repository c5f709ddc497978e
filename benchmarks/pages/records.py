"""The records of a run that a page shows, checked as they are read: figures that are none are left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.agents.training.record_fields import Step, checked, is_count
from edgewise.benchmarks.pages.charts import is_number
from edgewise.folder import Folder

Row = Mapping[str, Any]


def stepped(folder: Folder, name: str) -> Iterator[Row]:
    """Yield the records of a file, each with the number of its step.

    Raises:
        FileError: If one has none.
    """
    return folder.lines(name, ("step",), checked({"step": Step}))


def figures(folder: Folder) -> Iterator[dict[str, Any]]:
    """Yield the step and the numbers of every line of metrics.jsonl.

    Raises:
        FileError: If one has no step.
    """
    for row in stepped(folder, "metrics.jsonl"):
        yield {name: value for name, value in row.items() if is_number(value)}


def solved(folder: Folder, arms: Sequence[str]) -> Iterator[tuple[int, int, float]]:
    """Yield step, arm and fraction of right completions of every group that was trained on.

    Of a rule over problems, whose groups have the number of a problem, the arm is that of its level.
    """
    for row in stepped(folder, "groups.jsonl"):
        right, arm = row.get("correct"), row.get("arm")
        if "arm_probability" not in row:
            arm = arm_of_problem(row.get("problem"), arms)
        if row.get("kept", True) and is_count(arm) and isinstance(right, list) and right:
            yield row["step"], arm, float(np.mean([one is True or one == 1 for one in right]))


def arm_of_problem(problem: object, arms: Sequence[str]) -> int | None:
    """Return the arm of the level in the name of a problem, None if no arm is named so.

    >>> arm_of_problem('{"env": "Zebra-v0", "level": 2}', ["level 1", "level 2"])
    1
    """
    named = read_problem(problem)
    names = (f"level {named.get('level')}", f"{named.get('env')} level {named.get('level')}")
    return next((arm for arm, name in enumerate(arms) if name in names), None)


def read_problem(problem: object) -> Row:
    """Return what the name of a problem says, nothing if it is none."""
    try:
        named = json.loads(problem) if isinstance(problem, str) else None
    except (ValueError, RecursionError):
        return {}
    return named if isinstance(named, dict) else {}
