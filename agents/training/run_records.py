"""Read the records of a run, a JSON line each, where some may be damaged or missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgewise.files import FileError, decoded, is_cut_off, parsed, readable

Records = Iterator[dict[str, Any]]


def readable_records(path: Path, reasons: list[str]) -> Records:
    """Yield the records of complete lines that can be read; add to `reasons` why others cannot.

    Raises:
        FileError: If the file itself cannot be read.
    """
    with readable(path), path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if is_cut_off(line):  # by a kill
                continue
            try:
                record = parsed(decoded(line, path, number), path, number)
                step_of(record, path, number)
            except FileError as error:
                reasons.append(str(error))
                continue
            yield record


def step_of(record: Mapping[str, Any], path: Path, number: int) -> int:
    """Return the step of a record, which is line `number` of `path`.

    Raises:
        FileError: If it has none.
    """
    step = record.get("step")
    if not isinstance(step, int):
        raise FileError(f"{path}:{number}: must have the number of a step, got {step!r:.50}")
    return step


def counted(record: Mapping[str, Any]) -> bool:
    """Return whether a record is of a kept group; every step has the same number of these."""
    return record.get("kept", True) is True  # groups that were rejected come on top


def missing(counts: Mapping[int, int], last: int, size: int) -> str:
    """Return which of the steps 1 to `last` do not have `size` records, in words; "" if all do.

    >>> missing({1: 1, 2: 1, 5: 1}, last=6, size=1)
    'the records of steps 3 to 4, 6 are missing'
    >>> missing({1: 1, 2: 2}, last=2, size=1)
    'the records of step 2 are there more than once'
    """
    counts = Counter(counts)
    fewer = [step for step in range(1, last + 1) if counts[step] < size]
    more = [step for step in range(1, last + 1) if counts[step] > size]
    parts = [f"the records of {listed(fewer)} are missing"] if fewer else []
    parts += [f"the records of {listed(more)} are there more than once"] if more else []
    return " and ".join(parts)


def listed(steps: list[int]) -> str:
    """Format step numbers, with ranges.

    >>> listed([4]), listed([1, 2, 3, 7])
    ('step 4', 'steps 1 to 3, 7')
    """
    runs: list[list[int]] = []
    for step in steps:
        if runs and step == runs[-1][-1] + 1:
            runs[-1].append(step)
        else:
            runs.append([step])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return f"step{'s' if len(steps) > 1 else ''} {', '.join(words)}"
