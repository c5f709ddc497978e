"""One batch of completions: what was drawn for each group, and what each completion earned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.wrappers.lessons.record import ObservedGroups
from edgewise.wrappers.rules.signal import Bools, Floats, Groups, Ints, group_advantages

Gather = Callable[[Any], Any]  # joins the arrays of all ranks along the first axis
OUTCOMES = ("rewards", "correct", "verified", "lengths", "done")
STATE = ("arms", "drawn_with", *OUTCOMES)  # of an unfinished batch, as it is saved


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
