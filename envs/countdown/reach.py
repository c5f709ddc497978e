"""Whether numbers can make a target, each used once, decided exactly and without writing an expression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from math import gcd

Ratio = tuple[int, int]  # the size of a value, numerator and denominator in lowest terms
MAX_LISTED = 3  # numbers of which all values are listed: of three at most a few hundred


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
