"""Countdown problems of a file, in the layout of SEC, TinyZero and Stream of Search."""

from __future__ import annotations

from dataclasses import dataclass

from edgewise.envs.countdown.task import Countdown, Problem
from edgewise.file_task import FileTask
from edgewise.rows import Row, quoted

MAX_NUMBERS = 12
MAX_VALUE = 10**9


@dataclass(frozen=True)
class CountdownFile(FileTask[Problem], Countdown):
    """Combine the numbers of a row of your file, each once, into an expression equal to its target.

    A row has `nums` (or `numbers`), a list of whole numbers, and `target`; a `solution` that is right
    is kept for demonstrations. Other columns, such as `difficulty`, are named by `level_column`.

    Example:
        >>> CountdownFile().read_row({"nums": [8, 73, 96], "target": 841, "solution": "73+(8*96)"})
        Problem(numbers=(8, 73, 96), target=841)
    """

    name = "CountdownFile-v0"
    file_name = "countdown.jsonl"
    presets = {name: Countdown.presets[name] for name in ("sec", "e2h")}

    def read_row(self, row: Row) -> Problem:
        """Return the problem of a row."""
        numbers = row["numbers"] if "numbers" in row else row["nums"]
        if not isinstance(numbers, (list, tuple)) or not 1 <= len(numbers) <= MAX_NUMBERS:
            raise ValueError(f"`nums` must be 1 to {MAX_NUMBERS} numbers, got {quoted(numbers)}")
        bare = Problem(tuple(map(whole, numbers)), whole(row["target"]))
        solution = row.get("solution")
        known = isinstance(solution, str) and self.verify(bare, solution)
        return Problem(bare.numbers, bare.target, solution if known else None)


def whole(value: object) -> int:
    """Return a whole number, 0 or more; ValueError if it is none."""
    if type(value) is not int or not 0 <= value <= MAX_VALUE:
        raise ValueError(f"a number must be whole, from 0 to {MAX_VALUE:,}, got {quoted(value)}")
    return value
