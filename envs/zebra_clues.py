"""The clues of zebra puzzles: what they mean, which grids they allow, and which are needed.

A puzzle has n houses in a row and m attributes with n values each. An item is a number: value v of
attribute a is a * n + v, and house h itself is m * n + h. Sets of houses are the bits of an int.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache, reduce
from itertools import accumulate, combinations, permutations
from operator import and_, or_
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewise.task import Unsolvable

KINDS = ("at", "same", "directly_left", "left", "next", "between", "not_at", "not_same")
MERGING = ("at", "same")  # the two items are in one house
MAX_HOUSES = 7  # the arrangements of an attribute are bits of an int
MAX_GUESSES = 20_000  # of one search

Grid = list[int]  # the house of each item, houses not included
Masks = list[int]  # the houses that are possible, of each unknown


class Clue(NamedTuple):
    """A relation of items: `first` is `kind` `second`, and `third` where it is "between" them."""

    kind: str
    first: int
    second: int
    third: int = -1


def holds(clue: Clue, places: Sequence[Any]) -> Any:
    """Return whether the items, houses included, that are at `places` agree with `clue`.

    The place of an item is a number, or an array of its houses in many grids.
    """
    kind, first, second = clue.kind, places[clue.first], places[clue.second]
    if kind in MERGING:
        return first == second
    if kind == "directly_left":
        return first + 1 == second
    if kind == "left":
        return first < second
    if kind == "next":
        return abs(first - second) == 1
    if kind == "between":
        third = places[clue.third]
        return (first - second) * (third - first) > 0
    return first != second


def below(houses: int) -> int:
    """Return the houses left of the last of `houses`."""
    return (1 << houses.bit_length()) - 1 >> 1


def above(houses: int) -> int:
    """Return the houses, without end, right of the first of `houses`."""
    return -((houses & -houses) << 1)


@lru_cache(maxsize=1 << 15)
def narrow(kind: str, first: int, second: int, third: int) -> tuple[int, int, int]:
    """Return the houses that a clue leaves to each of its items, of those possible so far."""
    if kind in MERGING:
        return first & second, first & second, third
    if kind == "directly_left":
        first &= second >> 1
        return first, second & first << 1, third
    if kind == "left":
        first &= below(second)
        return first, second & above(first), third
    if kind == "next":
        first &= second << 1 | second >> 1
        return first, second & (first << 1 | first >> 1), third
    if kind == "between":
        first &= (above(second) & below(third)) | (above(third) & below(second))
        second &= below(first & below(third)) | above(first & above(third))
        return first, second, third & (below(first & below(second)) | above(first & above(second)))
    if first & (first - 1) == 0:
        second &= ~first
    elif second & (second - 1) == 0:
        first &= ~second
    return first, second, third


@cache
def arrangements(num_houses: int) -> list[list[int]]:
    """Return the set of permutations, as bits, that put value v into one of the houses in a mask.

    The first index is v, the second is the mask.
    """
    orders = list(permutations(range(num_houses)))
    table = [[0] * (1 << num_houses) for _ in range(num_houses)]
    for value, row in enumerate(table):
        for mask in range(1, 1 << num_houses):
            low = mask & -mask
            if mask == low:
                row[mask] = sum(1 << k for k, order in enumerate(orders) if 1 << order[value] == mask)
            else:
                row[mask] = row[mask ^ low] | row[low]
    return table


@lru_cache(maxsize=1 << 15)
def distinct(masks: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the houses that the values of one attribute can have, all in different ones.

    None if they cannot be.
    """
    table = arrangements(len(masks))
    possible = -1
    for row, mask in zip(table, masks, strict=True):
        possible &= row[mask]
    if not possible:
        return None
    singles = [1 << house for house in range(len(masks))]
    return tuple(
        [
            sum([bit for bit in singles if mask & bit and possible & row[bit]])
            for row, mask in zip(table, masks, strict=True)
        ]
    )


def propagate(masks: Masks, dirty: int, clues: Sequence[Touching], rows: Sequence[Row]) -> bool:
    """Narrow `masks` until clues and attributes say no more; False if no house is left for one.

    Only the unknowns in `dirty` have changed since the last time.
    """
    while dirty:
        now, dirty = dirty, 0
        for touched, (kind, a, b, c) in clues:
            if touched & (now | dirty):
                before = masks[a], masks[b], masks[c]
                after = narrow(kind, *before)
                if after != before:
                    if not (after[0] and after[1] and after[2]):
                        return False
                    masks[c], masks[b], masks[a] = after[2], after[1], after[0]
                    dirty |= touched
        for touched, values in rows:
            if touched & (now | dirty):
                given = tuple(sorted([masks[value] for value in values]))
                left = distinct(given)
                if left is None:
                    return False
                if left != given:
                    new = dict(zip(given, left, strict=True))
                    for value in values:
                        if masks[value] != new[masks[value]]:
                            masks[value] = new[masks[value]]
                            dirty |= 1 << value
    return True


def merge(clues: Sequence[Clue], num_items: int) -> list[int]:
    """Return the number of the unknown, counted from 0, that stands for each item.

    Items that clues put into the same house share one.
    """
    parent = list(range(num_items))

    def root(item: int) -> int:
        while parent[item] != item:
            item = parent[item]
        return item

    for clue in clues:
        if clue.kind in MERGING:
            parent[root(clue.first)] = root(clue.second)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(item), len(numbers)) for item in range(num_items)]


def grids(
    clues: Sequence[Clue], num_houses: int, num_attributes: int, limit: int = 2
) -> list[Grid]:
    """Return up to `limit` grids that all clues allow.

    Raises:
        Unsolvable: If there are too many houses, or the search takes too long.
    """
    if num_houses > MAX_HOUSES:
        raise Unsolvable(f"`num_houses` must be at most {MAX_HOUSES}, got {num_houses}")
    size = num_houses * num_attributes
    unknowns = merge(clues, size + num_houses)
    masks = [(1 << num_houses) - 1] * (max(unknowns) + 1)
    for house in range(num_houses):
        masks[unknowns[size + house]] &= 1 << house
    preferred = [0] * len(masks)
    for item in range(size + num_houses):
        preferred[unknowns[item]] = 1 << item % num_houses
    others = [
        Clue(clue.kind, *[unknowns[item] for item in clue[1:]])
        for clue in clues
        if clue.kind not in MERGING
    ]
    touching = [(bits(clue[1:]), clue) for clue in others]
    values = [unknowns[start : start + num_houses] for start in range(0, size, num_houses)]
    rows = [(bits(row), row) for row in values]
    found: list[Masks] = []
    stack, guesses = [(masks, -1)], 0
    while stack and len(found) < limit:
        masks, dirty = stack.pop()
        if not all(masks) or not propagate(masks, dirty, touching, rows):
            continue
        guesses += 1
        if guesses > MAX_GUESSES:
            raise Unsolvable(f"no grid was found in {MAX_GUESSES} guesses")
        guess(masks, preferred, stack, found)
    return [[masks[unknown].bit_length() - 1 for unknown in unknowns[:size]] for masks in found]


def bits(places: Sequence[int]) -> int:
    """Return a number with the bits at `places`."""
    return reduce(or_, [1 << place for place in places])


def guess(masks: Masks, preferred: Masks, stack: list[Masks], found: list[Masks]) -> None:
    """Put `masks` on `found` if they are a grid, else with one house taken and then left out.

    The preferred house is taken first, and the unknown has the fewest houses left.
    """
    counts = [mask.bit_count() for mask in masks]
    least = min([count for count in counts if count > 1], default=0)
    if not least:
        found.append(masks)
        return
    unknown = counts.index(least)
    taken = masks[unknown] & preferred[unknown] or masks[unknown] & -masks[unknown]
    without = masks.copy()
    without[unknown] ^= taken
    masks[unknown] = taken
    stack += [(without, 1 << unknown), (masks, 1 << unknown)]


def true_clues(
    rng: np.random.Generator, num_houses: int, num_attributes: int, weights: Mapping[str, float]
) -> Iterator[Clue]:
    """Draw clues without end that hold where value h of every attribute is in house h.

    Each kind has its weight, and all clues of a kind are equally likely.
    """
    n, m = num_houses, num_attributes
    kinds = [kind for kind in weights if n > 2 or kind != "between"]
    bounds = list(accumulate(weights[kind] for kind in kinds))
    while True:
        rows = rng.random((2 * n * m, 8)).tolist()
        for u, flip, *rest in rows:
            kind = kinds[bisect(bounds, u * bounds[-1])]
            a, other = int(rest[0] * m), int(rest[1] * (m - 1))
            other += other >= a
            b = int(rest[2] * m)
            houses = different(n, rest[3:])
            if kind in ("at", "not_at"):
                yield Clue(kind, a * n + houses[0], m * n + houses[kind == "not_at"])
            elif kind in ("same", "not_same"):
                yield Clue(kind, a * n + houses[0], other * n + houses[kind == "not_same"])
            elif kind == "left":
                yield Clue(kind, a * n + min(houses[:2]), b * n + max(houses[:2]))
            elif kind == "between":
                first, middle, last = sorted(houses)
                ends = (first, last) if flip < 0.5 else (last, first)
                yield Clue(kind, a * n + middle, b * n + ends[0], int(rest[1] * m) * n + ends[1])
            else:
                left = int(rest[3] * (n - 1))
                items = a * n + left, b * n + left + 1
                yield Clue(kind, *(items[::-1] if kind == "next" and flip < 0.5 else items))


def different(num_houses: int, draws: Sequence[float]) -> list[int]:
    """Return three different houses, or two of two, from draws in [0, 1)."""
    free = list(range(num_houses))
    return [free.pop(int(draw * len(free))) for draw in draws[:num_houses]]


@cache
def swapped(num_houses: int, num_attributes: int) -> NDArray[np.int8]:
    """Return the grids in which some attributes have two houses swapped, (items, grids).

    Where a clue is missing, one of these is most often possible too.
    """
    home = np.arange(num_houses, dtype=np.int8)
    columns = []
    for one, two in combinations(range(num_houses), 2):
        order = home.copy()
        order[[one, two]] = two, one
        for chosen in range(1, 1 << num_attributes):
            rows = [order if chosen >> a & 1 else home for a in range(num_attributes)]
            columns.append(np.concatenate([*rows, home]))
    return np.stack(columns, axis=1)


@lru_cache(maxsize=1 << 14)
def allowed(clue: Clue, num_houses: int, num_attributes: int) -> int:
    """Return which of the grids of `swapped` agree with `clue`, as bits."""
    fits = holds(clue, swapped(num_houses, num_attributes))  # type: ignore[arg-type]
    return int.from_bytes(np.packbits(fits, bitorder="little").tobytes(), "little")


def minimal(clues: Iterator[Clue], num_houses: int, num_attributes: int) -> list[Clue]:
    """Return some of `clues` that allow one grid only, of which none can be left out.

    Clues are taken until they allow nothing but the grid with value h in house h. Then, from the
    last to the first, each is left out that is not needed, that is, if every other grid is excluded
    by the rest. Few other grids have to be looked at for that: those of `swapped` to begin with,
    and each that the clues left turn out to allow. The outcome is as if all had been.
    """
    home = [house for _ in range(num_attributes + 1) for house in range(num_houses)]
    known = swapped(num_houses, num_attributes).shape[1]
    extra: list[Grid] = []
    taken: list[Clue] = []
    fits: list[int] = []  # the other grids, as bits, that agree with each clue taken

    def take(clue: Clue) -> int:
        bits = allowed(clue, num_houses, num_attributes)
        for place, grid in enumerate(extra, start=known):
            bits |= int(holds(clue, grid)) << place
        taken.append(clue)
        fits.append(bits)
        return bits

    while True:
        ahead = list(accumulate(fits, and_, initial=(1 << known + len(extra)) - 1))
        while ahead[-1]:
            ahead.append(ahead[-1] & take(next(clues)))
        needed: list[Clue] = []
        rest = -1
        for clue, bits, before in zip(reversed(taken), reversed(fits), ahead[-2::-1], strict=True):
            if before & rest:
                needed.append(clue)
                rest &= bits
        found = [grid + home[:num_houses] for grid in grids(needed, num_houses, num_attributes, 3)]
        others = [grid for grid in found if grid != home]
        if not others:
            return needed[::-1]
        for grid in others:
            for place, clue in enumerate(taken):
                fits[place] |= int(holds(clue, grid)) << known + len(extra)
            extra.append(grid)
