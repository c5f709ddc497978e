"""Search the grids that the clues of a zebra puzzle allow. Sets of houses are the bits of an int."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache, reduce
from itertools import permutations
from operator import or_

from edgewise.envs.zebra.problem import DISTANCES, MERGING, Clue, Problem, Values
from edgewise.task import Unsolvable

MAX_HOUSES = 7  # the arrangements of an attribute are bits of an int
MAX_GUESSES = 20_000  # of one search

Grid = list[int]  # the house of each item, houses not included
Masks = list[int]  # the houses that are possible, of each unknown
Row = tuple[int, list[int]]  # the unknowns of an attribute, as bits and one by one
Branch = tuple[Masks, int]  # with the unknowns that have just changed, as bits


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
    if kind in DISTANCES:
        steps = DISTANCES[kind]
        first &= second << steps | second >> steps
        return first, second & (first << steps | first >> steps), third
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
                row[mask] = sum(
                    1 << k for k, order in enumerate(orders) if 1 << order[value] == mask
                )
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
            if mask & (mask - 1)
            else mask
            for row, mask in zip(table, masks, strict=True)
        ]
    )


def propagate(
    masks: Masks, dirty: int, clues: Sequence[tuple[int, Clue]], rows: Sequence[Row]
) -> bool:
    """Propagate the constraints in `masks` to a fixed point; False if a value has no house left.

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
    if any(len(set(row)) < num_houses for row in values):
        return []  # two values of an attribute in one house
    rows = [(bits(row), row) for row in values]
    found: list[Masks] = []
    stack: list[Branch] = [(masks, -1)]
    guesses = 0
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


def guess(masks: Masks, preferred: Masks, stack: list[Branch], found: list[Masks]) -> None:
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


def solution_of(problem: Problem) -> Values:
    """Return the grid: the values of each attribute from house 1 on."""
    return problem.solution or search(problem)


@lru_cache(maxsize=256)
def search(problem: Problem) -> Values:
    """Search the only grid that the clues allow."""
    n = problem.num_houses
    found = grids(problem.clues, n, len(problem.attributes))
    if len(found) != 1:
        raise Unsolvable(f"`clues` must allow one grid, got {len(found)} or more")
    places = [found[0][start : start + n] for start in range(0, len(found[0]), n)]
    return tuple(
        (name, tuple([row[place.index(house)] for house in range(n)]))
        for (name, row), place in zip(problem.attributes, places, strict=True)
    )
