"""Countdown problems of a file, in the layout of SEC, TinyZero and Stream of Search; those without a solution are left out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd

from edgewise.envs.countdown.task import Countdown, Problem
from edgewise.file_task import FileTask
from edgewise.rows import Row, quoted
from edgewise.task import Unsolvable

Ratio = tuple[int, int]  # the size of a value, numerator and denominator in lowest terms
MAX_LISTED = 3  # numbers of which all values are listed: of three at most a few hundred
MAX_NUMBERS = 12
MAX_VALUE = 10**9
MAX_DECIDED = (
    6  # numbers; five take some milliseconds, six a tenth of a second, seven would take seconds
)


def is_reachable(numbers: Sequence[int], target: int) -> bool:
    """Return whether some expression with + - * / over all of `numbers`, 0 or more, equals `target`.

    Its last operation joins a value of some of the numbers with one of the others. Of the smaller part,
    of at most half of the numbers, all values are listed; the target says what the larger part must be
    then, which is looked up or asked in the same way. Values are taken without their signs: where one
    is negative, it comes from a subtraction, and with its sides exchanged from the same numbers.

    >>> is_reachable((1, 3, 4, 6), 24), is_reachable((1, 1, 1, 1, 1), 100)
    (True, False)
    """

    @cache
    def values(part: int) -> frozenset[Ratio]:
        if part & (part - 1) == 0:
            return frozenset([(numbers[part.bit_length() - 1], 1)])
        found = set[Ratio]()
        for one, other in halves(part):
            for left in values(one):
                for right in values(other):
                    found.update(joined(left, right))
        return frozenset(found)

    @cache
    def reaches(part: int, wanted: Ratio) -> bool:
        if part.bit_count() <= MAX_LISTED:
            return wanted in values(part)
        for one, other in halves(part):
            for value in values(one):
                if value[0] == wanted[0] == 0:
                    return True  # 0 times whatever the others make
                if any(reaches(other, needed) for needed in completing(value, wanted)):
                    return True
        return False

    return reaches((1 << len(numbers)) - 1, (target, 1))


@cache
def halves(part: int) -> tuple[tuple[int, int], ...]:
    """Return the divisions of a set, the bits of `part`, in a smaller and a larger set; equal ones first."""
    found, one = set[tuple[int, int]](), (part - 1) & part
    while one:
        pair = sorted((one, part ^ one), key=lambda half: (half.bit_count(), half))
        found.add((pair[0], pair[1]))
        one = (one - 1) & part
    return tuple(sorted(found, key=lambda pair: (pair[1].bit_count(), pair)))


def joined(left: Ratio, right: Ratio) -> Iterator[Ratio]:
    """Yield the sizes of what one operation makes of two values, on either side and of either sign."""
    (a, b), (c, d) = left, right
    yield lowest(a * d + c * b, b * d)
    yield lowest(abs(a * d - c * b), b * d)
    yield lowest(a * c, b * d)
    if c:
        yield lowest(a * d, b * c)
    if a:
        yield lowest(c * b, d * a)


def completing(value: Ratio, wanted: Ratio) -> Iterator[Ratio]:
    """Yield the sizes with which one operation makes `wanted` of `value`, on either side."""
    (a, b), (c, d) = value, wanted
    yield lowest(abs(c * b - a * d), b * d)
    yield lowest(c * b + a * d, b * d)
    if a:
        yield lowest(c * b, d * a)
        yield lowest(c * a, d * b)
        if c:
            yield lowest(a * d, b * c)


def lowest(top: int, bottom: int) -> Ratio:
    """Return a fraction in lowest terms."""
    common = gcd(top, bottom)
    return top // common, bottom // common


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
