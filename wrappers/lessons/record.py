"""The groups that a rule observed, as records: with them its whole trajectory is recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.wrappers.rules.signal import Floats, Groups, Ints, Updated

SCHEMA = 3  # of the records; 2 had no "verified", 1 no rejected groups, places and rounds
PARTS = ("rewards", "correct", "abs_advantages", "lengths")


@dataclass(frozen=True)
class ObservedGroups:
    """N groups that a rule observes together: those of a batch, or some that a filter rejected."""

    kept: bool  # whether they are of the batch, and not rejected
    problems: NDArray[Any]  # names, (N,)
    places: Ints  # in the batch, (N,)
    rounds: Ints  # of draws of the batch, 0 for the first and 1 for the first refill, (N,)
    arms: Ints  # (N,)
    chances: Floats  # of each arm when it was drawn, (N,)
    sizes: Ints  # completions made; fewer than G are repeated in turn for the rule, (N,)
    groups: Groups  # (N, G)
    updated: Updated | None = None  # what the update of the policy did, if the rule asked

    def order_keys(self, first: int) -> Ints:
        """Return the sort keys of the groups of a batch, first keys first, (N, 3).

        Args:
            first: The place of this process's first group among those of all.
        """
        kept = np.full(len(self.arms), self.kept)
        return np.stack([kept, np.where(kept, 0, self.rounds), first + self.places], axis=1)

    def records(self) -> list[dict[str, Any]]:
        """Return a record of each group, for JSON, with the completions that were made.

        Groups of which some were not verified have "verified" too.
        """
        columns = {
            "problem": self.problems.tolist(),
            "arm": self.arms.tolist(),
            "arm_probability": self.chances.tolist(),
            "kept": [self.kept] * len(self.arms),
            "place": self.places.tolist(),
            "round": self.rounds.tolist(),
        }
        arrays = {part: getattr(self.groups, part) for part in PARTS}
        if self.updated is not None:
            arrays |= {name: getattr(self.updated, name) for name in ("advantages", "log_ratios")}
        for name, array in arrays.items():
            made = zip(array.tolist(), self.sizes.tolist(), strict=True)
            columns[name] = [row[:size] for row, size in made]
        rows = zip(*columns.values(), strict=True)
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        verified = zip(self.groups.verified.tolist(), self.sizes.tolist(), strict=True)
        for record, (row, size) in zip(records, verified, strict=True):
            if not all(row[:size]):
                record["verified"] = row[:size]
        return records


def as_current(record: Mapping[str, Any], place: int) -> dict[str, Any]:
    """Convert a record of any schema to the present one, with defaults for what it lacks.

    Args:
        record: Of a run, with its "schema".
        place: The number of records of the same step before it.

    Raises:
        ValueError: If the schema is not known here.
    """
    if record.get("schema") not in range(1, SCHEMA + 1):
        raise ValueError(f"`schema` must be in [1, {SCHEMA}], got {record.get('schema')}")
    return {"kept": True, "place": place, "round": 0, **record}


def joined(parts: list[ObservedGroups]) -> tuple[Ints, dict[str, NDArray[Any]]]:
    """Return the arms of all groups, and the fields of their `Groups` by name."""
    arms = np.concatenate([part.arms for part in parts])
    return arms, {
        name: np.concatenate([getattr(part.groups, name) for part in parts])
        for name in (*PARTS, "verified")
    }
