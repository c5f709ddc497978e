"""GRESO: problems whose last groups were all right or all wrong are mostly skipped.

Zheng et al. (2025), "Act Only When It Pays: Efficient Reinforcement Learning for LLM Reasoning via
Selective Rollouts", arXiv 2506.02177.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.problem_rule import ProblemRule
from edgewise.wrappers.rules.signal import Floats, Groups, Ints, spread

EASY, HARD = 0, 1
MAX_PASSES = 2  # over the pool for one batch, before problems are taken as they come


@dataclass(eq=False)
class GRESO(ProblemRule):
    """Selective rollouts: the pool is passed over in random order, and problems are skipped.

    A problem whose last z groups had equal rewards is skipped with probability 1 - e^z, where e is
    `explore` at first and is kept for easy problems, whose last group was all right, and for hard
    ones. After each training step, the e of either kind falls by `step` if the share of its groups
    among all is above its target, else it rises by it, in [`least`, 1].

    The two targets add up to the 0.25 of the released scripts. Departures: the skipped are not sent to the end of a queue but met again in the next pass, and
    after two passes without enough problems none is skipped.

    Example:
        >>> rule = GRESO()
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> right = np.array([[True, False], [True, True]])  # of each completion, (P, G)
        >>> groups = Groups(right * 1.0, right, abs_advantages=right * 0.5, lengths=right * 9)
        >>> rule.observe(["a", "b"], groups)
        >>> rule.propose(2, np.random.default_rng(0))
        ['d', 'b']
    """

    name: ClassVar[str] = "greso"
    order: ClassVar[int] = 50
    paper: ClassVar[str] = "2506.02177"
    explore: float = 0.5  # the first e of both kinds, in [least, 1]
    target_easy: float = 1 / 12  # share of groups that are all right
    target_hard: float = 1 / 6  # share of groups of equal rewards that are not all right
    step: float = 0.01  # positive
    least: float = 0.05  # positive

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.step <= 0:
            raise ValueError(f"`step` must be positive, got {self.step}")
        if not 0 < self.least <= self.explore <= 1:
            raise ValueError(f"`explore` must be in [{self.least}, 1], got {self.explore}")
        for name in ("target_easy", "target_hard"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be in [0, 1], got {getattr(self, name)}")

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Forget all groups."""
        super().start(names, difficulties)
        self.chances = np.full(2, self.explore)  # e, of easy and hard
        self.streaks = np.zeros(len(self.names), np.int64)  # z, (N,)
        self.kinds = np.full(len(self.names), EASY)  # of the last group of equal rewards, (N,)
        self.queue: list[int] = []  # the rows that remain of this pass

    def keep_probabilities(self) -> Floats:
        """Return the probability that each problem is kept, (N,)."""
        kept: Floats = self.chances[self.kinds] ** self.streaks
        return kept

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Go on with the pass until there are enough problems."""
        kept, passes = self.keep_probabilities(), 0
        chosen: dict[int, None] = {}  # in order
        while len(chosen) < num_problems:
            if not self.queue:
                self.queue = rng.permutation(len(self.names)).tolist()
                passes += 1
            row = self.queue.pop()
            if passes > MAX_PASSES or rng.random() < kept[row]:
                chosen[row] = None
        return np.array(list(chosen))

    def learn(self, rows: Ints, groups: Groups) -> None:
        """Lengthen or end the streaks, and move e."""
        equal = ~spread(groups.rewards, groups.verified)
        kinds = np.where((groups.correct | ~groups.verified).all(axis=1), EASY, HARD)
        self.kinds[rows] = kinds
        for row, same in zip(rows.tolist(), equal.tolist(), strict=True):  # a row may occur twice
            self.streaks[row] = self.streaks[row] + 1 if same else 0
        for kind, target in ((EASY, self.target_easy), (HARD, self.target_hard)):
            share = (equal & (kinds == kind)).mean()
            moved = self.chances[kind] + (-self.step if share > target else self.step)
            self.chances[kind] = min(max(moved, self.least), 1.0)

    def state_dict(self) -> dict[str, Any]:
        """Return e, the streaks and the pass."""
        arrays = {"chances": self.chances, "streaks": self.streaks, "kinds": self.kinds}
        return {**{key: array.tolist() for key, array in arrays.items()}, "queue": [*self.queue]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.chances = np.array(state["chances"])
        self.streaks = np.array(state["streaks"], np.int64)
        self.kinds = np.array(state["kinds"], np.int64)
        self.queue = list(state["queue"])
