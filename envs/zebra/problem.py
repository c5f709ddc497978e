"""What a zebra puzzle is: a row of houses, attributes, and clues about the values in them.

Of n houses and m attributes with n values each, value v of attribute a is the item a * n + v, and
house h itself the item m * n + h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import unknown

DISTANCES = {"next": 1, "one_between": 2, "two_between": 3}  # of the houses of the two items
KINDS = (
    "at", "same", "directly_left", "left", "next", "between", "not_at", "not_same", "one_between",
    "two_between",
)  # fmt: skip
MERGING = ("at", "same")  # the two items are in one house
SYMMETRIC = ("same", "not_same", *DISTANCES)  # the two items may change places

Values = tuple[tuple[str, tuple[str, ...]], ...]  # of each attribute, after its name


class Clue(NamedTuple):
    """A relation of items: `first` is `kind` `second`, and `third` where it is "between" them."""

    kind: str
    first: int
    second: int
    third: int = -1


def holds(clue: Clue, places: Sequence[int] | NDArray[np.int8]) -> Any:
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
    if kind in DISTANCES:
        return abs(first - second) == DISTANCES[kind]
    if kind == "between":
        third = places[clue.third]
        return (first - second) * (third - first) > 0
    return first != second


@dataclass(frozen=True)
class Problem:
    """Find the one grid, of a value of each attribute for each house, that all clues allow."""

    attributes: Values  # values as listed; item v + a * n of clues is value v of attribute a
    clues: tuple[Clue, ...]
    question: tuple[int, int] | None  # an attribute and a house, from 0; None asks for the grid
    solution: Values | None = field(default=None, repr=False, compare=False)  # from house 1 on

    def __post_init__(self) -> None:
        """Check the shape of the grid, and that the clues are about its items."""
        n = len(self.attributes[0][1])
        if any(len(set(values)) != n for _, values in self.attributes):
            raise ValueError(f"`attributes` must have {n} values each, got {self.attributes}")
        size = (len(self.attributes) + 1) * n
        for kind, first, second, third in self.clues:
            if kind not in KINDS:
                raise ValueError(unknown("kind", kind, KINDS))
            thirds = range(size) if kind == "between" else (-1,)
            if not (0 <= first < size and 0 <= second < size and third in thirds):
                raise ValueError(f"`clues` must be about items below {size}, got {self.clues}")

    @property
    def num_houses(self) -> int:
        """The count of houses."""
        return len(self.attributes[0][1])

    def labels(self, houses: Sequence[str] = "123456789") -> list[str]:
        """Return the values in the order of their items, then the houses."""
        values = [value for _, row in self.attributes for value in row]
        return [*values, *houses[: self.num_houses]]
