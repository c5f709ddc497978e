"""Choose the clues of a zebra puzzle: as many as it needs, and none that it does not."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import accumulate, combinations
from operator import and_

import numpy as np
from numpy.typing import NDArray

from edgewise.envs.zebra.problem import DISTANCES, Clue, holds
from edgewise.envs.zebra.solver import Grid, grids

LEAST_HOUSES = {"between": 3, "one_between": 3, "two_between": 4}  # of 2, where any are enough


def true_clues(
    rng: np.random.Generator, num_houses: int, num_attributes: int, weights: Mapping[str, float]
) -> Iterator[Clue]:
    """Draw clues without end that hold where value h of every attribute is in house h.

    Each kind has its weight, and all clues of a kind are equally likely.
    """
    n, m = num_houses, num_attributes
    kinds = [kind for kind in weights if n >= LEAST_HOUSES.get(kind, 2)]
    bounds = list(accumulate(weights[kind] for kind in kinds))
    while True:
        for row in rng.random((2 * n * m, 7)).tolist():
            kind = kinds[bisect(bounds, row[0] * bounds[-1])]
            a, b, c = [int(draw * m) * n for draw in row[1:4]]
            houses = different(n, row[4:])
            first, *rest = houses if kind.startswith(("at", "same", "not")) else sorted(houses)
            if kind in ("at", "not_at"):
                yield Clue(kind, a + first, m * n + (first if kind == "at" else rest[0]))
            elif kind in ("same", "not_same"):
                other = (a + n + int(row[2] * (m - 1)) * n) % (m * n)  # another attribute
                yield Clue(kind, a + first, other + (first if kind == "same" else rest[0]))
            elif kind == "between":
                yield Clue(kind, a + rest[0], b + first, c + rest[1])
            elif kind == "left":
                first, second = sorted(houses[:2])
                yield Clue(kind, a + first, b + second)
            else:
                steps = DISTANCES.get(kind, 1)
                left = int(row[4] * (n - steps))
                yield Clue(kind, a + left, b + left + steps)


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
    fits = holds(clue, swapped(num_houses, num_attributes))
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
