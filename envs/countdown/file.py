"""Countdown problems of a file, in the layout of SEC, TinyZero and Stream of Search."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgewise.envs.countdown.reach import is_reachable
from edgewise.envs.countdown.task import Countdown, Problem
from edgewise.file_task import FileTask
from edgewise.rows import Row, quoted
from edgewise.task import Unsolvable

MAX_NUMBERS = 12
MAX_VALUE = 10**9
MAX_DECIDED = (
    6  # numbers; five take some milliseconds, six a tenth of a second, seven would take seconds
)


@dataclass(frozen=True)
class CountdownFile(FileTask[Problem], Countdown):
    """Combine the numbers of a row of your file, each once, into an expression equal to its target.

    A row has `nums` (or `numbers`), a list of whole numbers, and `target`; a `solution` that is right
    is kept for demonstrations. A row whose numbers cannot make the target is left out: of up to six
    numbers every one, of more where the target is too large. Other columns, such as `difficulty`, are named by `level_column`.

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
        if not known:
            check_possible(bare)
        return Problem(bare.numbers, bare.target, solution if known else None)


def check_possible(problem: Problem) -> None:
    """Raise Unsolvable if the numbers cannot make the target, as far as is quickly known.

    Of up to six numbers it is decided. Of more, no expression is larger than their product, doubled for
    each operation: numerator and denominator of a sum are at most that.
    """
    most = math.prod(2 * max(number, 1) for number in problem.numbers) // 2
    is_few = len(problem.numbers) <= MAX_DECIDED
    if problem.target > most or (is_few and not is_reachable(problem.numbers, problem.target)):
        raise Unsolvable(f"`target` {problem.target} cannot be made of {problem.numbers}")


def whole(value: object) -> int:
    """Return a whole number, 0 or more; ValueError if it is none."""
    if type(value) is not int or not 0 <= value <= MAX_VALUE:
        raise ValueError(f"a number must be whole, from 0 to {MAX_VALUE:,}, got {quoted(value)}")
    return value
