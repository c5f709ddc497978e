"""One batch of completions: what was drawn for each group, and what each completion earned.

The groups that a rule observed are kept as records: with them its whole trajectory is recomputed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.wrappers.rules.signal import Bools, Floats, Groups, Ints, Updated, group_advantages

Gather = Callable[[Any], Any]  # joins the arrays of all ranks along the first axis
OUTCOMES = ("rewards", "correct", "verified", "lengths", "done")
STATE = ("arms", "drawn_with", *OUTCOMES)  # of an unfinished batch, as it is saved
SCHEMA = 3  # of the records; 2 had no "verified", 1 no rejected groups, places and rounds
PARTS = ("rewards", "correct", "abs_advantages", "lengths")


@dataclass(frozen=True)
class Draw:
    """What was drawn for the P groups of a batch."""

    arms: Ints  # (P,), -1 where no rule chose
    chances: Floats  # (P,), the probability of each arm when it was drawn
    problems: NDArray[Any]  # (P,), names, "" where unknown


class Batch:
    """P groups of G completions. Its arrays are written by its own methods and `Lesson` alone."""

    def __init__(self, shape: tuple[int, int], group_size: int | None = None) -> None:
        """Make a batch of nothing.

        Args:
            shape: (P, G).
            group_size: How many of the G completions are made of a group at first; None for all.
        """
        self.shape = shape
        self.sizes: Ints = np.full(shape[0], group_size or shape[1])  # (P,)
        self.arms: Ints = np.full(shape[0], -1)  # (P,), -1 if the rule did not choose
        self.problems: NDArray[Any] = np.full(shape[0], "", dtype=object)  # (P,) names, if known
        self.drawn_with: Floats = np.zeros(shape[0])  # (P,) the probability of each arm when drawn
        self.rounds: Ints = np.zeros(shape[0], dtype=np.int64)  # (P,) the draw of each group
        self.rewards: Floats = np.zeros(shape)
        self.correct: Bools = np.zeros(shape, dtype=np.bool_)
        self.verified: Bools = np.ones(shape, dtype=np.bool_)
        self.lengths: Ints = np.zeros(shape, dtype=np.int64)
        self.done: Bools = np.zeros(shape, dtype=np.bool_)
        self.abs_advantages: Floats | None = None

    def redraw(self, which: Bools, arms: Ints, chances: Floats, number: int) -> None:
        """Give the groups in `which`, (P,), new arms, and clear what they earned.

        Args:
            which: The groups.
            arms: Of these groups, (which.sum(),).
            chances: The probability of each of `arms` when it was drawn.
            number: How many draws of this batch there were before.
        """
        self.arms[which], self.drawn_with[which], self.rounds[which] = arms, chances, number
        for array in (self.rewards, self.correct, self.lengths, self.done):
            array[which] = 0
        self.verified[which] = True
        self.abs_advantages = None  # of another batch

    def set_sizes(self, which: Bools, sizes: Ints) -> None:
        """Make only the first `sizes` completions of the groups in `which`, (P,)."""
        self.sizes[which] = sizes
        more = which[:, None] & ~self.made
        self.done[more], self.verified[more] = True, False

    @property
    def made(self) -> Bools:
        """Which completions are made, or will be, (P, G)."""
        made: Bools = np.arange(self.shape[1]) < self.sizes[:, None]
        return made

    @property
    def answered(self) -> Bools:
        """Which groups have a completion that is done, or need none, (P,)."""
        answered: Bools = (self.done & self.made).any(axis=1) | (self.sizes == 0)
        return answered

    def clear(self, group: int, place: int) -> None:
        """Clear what one completion earned."""
        for array in (self.rewards, self.correct, self.lengths):
            array[group, place] = 0
        self.verified[group, place] = True

    def set_outcomes(
        self,
        group: int,
        rewards: Sequence[float],
        correct: Sequence[bool],
        verified: Sequence[bool] | bool,
        lengths: Sequence[int],
    ) -> None:
        """Write what the first n completions of a group earned, all of length n; they are done."""
        made = slice(0, len(rewards))
        self.rewards[group, made] = rewards
        self.correct[group, made] = correct
        self.verified[group, made] = verified
        self.lengths[group, made] = lengths
        self.done[group, made] = True

    def exchange(self, own: slice, gather: Gather) -> None:
        """Replace the outcomes with those of all ranks, of which `own`, rows of (P G,), are known."""
        for name in OUTCOMES:
            joined = gather(getattr(self, name).reshape(-1)[own])
            setattr(self, name, joined.reshape(self.shape))

    def observed(self, which: Bools, kept: bool) -> ObservedGroups:
        """Return the groups in `which`, (P,), as they are now.

        Of a group that was screened, so that only some completions were made, these are repeated.
        """
        self._repeat(which)
        abs_advantages = self.abs_advantages
        if abs_advantages is None:
            abs_advantages = np.abs(group_advantages(self.rewards, self.verified))
        return ObservedGroups(
            kept=kept,
            problems=self.problems[which],
            places=np.flatnonzero(which),
            rounds=self.rounds[which],
            arms=self.arms[which],
            chances=self.drawn_with[which],
            sizes=(self.done & self.made)[which].sum(axis=1),
            groups=Groups(
                self.rewards[which],
                self.correct[which],
                abs_advantages[which],
                self.lengths[which],
                self.verified[which],
            ),
        )

    def _repeat(self, which: Bools) -> None:
        """Repeat the completions of each group in `which` of which some are not made yet."""
        for group in np.flatnonzero(which & ~self.done.all(axis=1)):
            made = self.done[group] & self.made[group]
            places = np.resize(np.flatnonzero(made), self.shape[1])
            for array in (self.rewards, self.correct, self.verified, self.lengths):
                array[group] = array[group][places]

    def state_dict(self) -> dict[str, Any]:
        """Return the arms and outcomes, for JSON."""
        return {name: getattr(self, name).tolist() for name in STATE}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state; one without `verified`, of early versions, counts everything as verified."""
        for name in STATE:
            if name in state:
                getattr(self, name)[:] = state[name]


def padded(values: Floats, width: int) -> Floats:
    """Return the columns of `values`, (P, M), and after them zeros, (P, `width`)."""
    if values.ndim != 2 or values.shape[1] >= width:
        return values
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


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
