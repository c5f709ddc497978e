"""Worked traces of zebra puzzles: what each clue leaves, and guesses where clues say no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgewise.envs.zebra.problem import Clue
from edgewise.envs.zebra.solver import Masks, distinct, narrow


@dataclass(frozen=True)
class Trace:
    """A deduction as it is written down, for one puzzle.

    A step is a clue and the houses that are left to the items it narrows. A guess begins with "?";
    where it leads to no grid the trace goes on with "!", and what it rules out.
    """

    clues: Sequence[tuple[Clue, str]]  # with their texts
    labels: Sequence[str]  # of all items, houses included
    num_houses: int
    steps: list[str] = field(default_factory=list)

    def deduce(self, masks: Masks, is_done: Callable[[Masks], bool]) -> bool:
        """Narrow `masks` until `is_done`; False if they contradict each other."""
        while not is_done(masks):
            before = masks.copy()
            for clue, text in self.clues:
                old = masks.copy()
                possible = self.apply(clue, masks)
                if masks != old:
                    self.steps.append(f"{text} {self.changes(old, masks, clue[1:])}")
                if not possible:
                    return False
                if is_done(masks):
                    return True
            if masks == before and self.guess(masks):
                return True
        return True

    def apply(self, clue: Clue, masks: Masks) -> bool:
        """Narrow the items of `clue`, and then their attributes; False if one has no house."""
        items = clue[1:]
        left = narrow(clue.kind, *[masks[item] for item in items])
        for item, mask in zip(items, left, strict=True):
            if item >= 0:
                masks[item] = mask
        return all([self.spread(item, masks) for item in items if item >= 0])

    def spread(self, item: int, masks: Masks) -> bool:
        """Narrow the attribute of `item`; False if its values do not fit the houses."""
        start = item - item % self.num_houses
        left = distinct(tuple(masks[start : start + self.num_houses]))
        if left is not None:
            masks[start : start + self.num_houses] = left
        return left is not None

    def guess(self, masks: Masks) -> bool:
        """Try the first house of an item with the fewest; True if that leads to the grid.

        Otherwise the house is ruled out. A guess is followed until all items have a house.
        """
        counts = [mask.bit_count() for mask in masks]
        item = counts.index(min(count for count in counts if count > 1))
        tried, old = masks.copy(), masks.copy()
        tried[item] &= -tried[item]
        self.spread(item, tried)
        self.steps.append(f"?{self.changes(masks, tried, [item])}")
        if self.deduce(tried, is_grid):
            masks[:] = tried
            return True
        masks[item] &= masks[item] - 1
        self.spread(item, masks)
        self.steps.append(f"!{self.changes(old, masks, [item])}")
        return False

    def changes(self, old: Masks, new: Masks, items: Sequence[int]) -> str:
        """Return whose houses are not the same, `items` and their attributes first, with those."""
        n = self.num_houses
        known = [item for item in items if 0 <= item < len(self.labels) - n]
        near = [[item, *range(item - item % n, item - item % n + n)] for item in known]
        places = dict.fromkeys([place for group in near for place in group])
        gap = ":" if max(map(len, self.labels)) > 1 else ""
        return ",".join(
            f"{self.labels[place]}{gap}"
            + "".join(str(house + 1) for house in range(n) if new[place] >> house & 1)
            for place in places
            if old[place] != new[place]
        )


def is_grid(masks: Masks) -> bool:
    """Return whether every item has one house."""
    return all([mask & (mask - 1) == 0 for mask in masks])
