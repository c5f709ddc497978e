"""CDAS: the problems whose difficulty is nearest to the ability of the model, from both sides.

"CDAS", competence-difficulty alignment sampling (2025), arXiv 2505.17652, and the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.problem_rule import ProblemRule, nearest
from edgewise.wrappers.rules.signal import Groups, Ints


@dataclass(eq=False)
class CDAS(ProblemRule):
    """Half of each batch at or below the ability R, half above it.

    Every problem i has a difficulty d_i, R and all d are 0 at first. A problem with pass rate p, after
    v earlier visits and with s = v + 2,

        d <- (s - 1) / s d + (1 / (1 + exp(d - R)) - p) / s,
        R <- R - sum over the problems of the batch of (new d - d) / N,

    N being the size of the whole pool. The nearest problems with d <= R and those with d > R are
    posed, as many of each; what one side lacks the other gives. The first batch is random.

    Departures: problems equally near are taken at random, in the code by their order; an odd batch
    has one more from below.

    Example:
        >>> rule = CDAS()
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> right = np.array([[True, False], [True, True]])  # of each completion, (P, G)
        >>> groups = Groups(right * 1.0, right, abs_advantages=right * 0.5, lengths=right * 9)
        >>> rule.observe(["a", "b"], groups)
        >>> rule.propose(2, np.random.default_rng(0))
        ['c', 'a']
    """

    name: ClassVar[str] = "cdas"
    order: ClassVar[int] = 120
    paper: ClassVar[str] = "2505.17652"

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Reset the visit counts."""
        super().start(names, difficulties)
        self.ability = 0.0  # R
        self.levels = np.zeros(len(self.names))  # d, (N,)
        self.visits = np.zeros(len(self.names), np.int64)  # v, (N,)

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Take the nearest problems of both sides."""
        if not self.visits.any():
            first: Ints = rng.permutation(len(self.names))[:num_problems]
            return first
        below, above = (
            np.flatnonzero(side)
            for side in (self.levels <= self.ability, self.levels > self.ability)
        )
        num_above = min(num_problems // 2, len(above))
        num_below = min(num_problems - num_above, len(below))
        num_above = num_problems - num_below
        chosen = [
            rows[nearest(np.abs(self.levels[rows] - self.ability), count, rng)]
            for rows, count in ((below, num_below), (above, num_above))
        ]
        return np.concatenate(chosen)

    def learn(self, rows: Ints, groups: Groups) -> None:
        """Move the difficulties, then the ability."""
        before = self.levels.copy()
        for row, rate in zip(rows.tolist(), groups.mean(groups.correct).tolist(), strict=True):
            size, level = self.visits[row] + 2, self.levels[row]
            expected = 1 / (1 + np.exp(level - self.ability))
            self.levels[row] = (size - 1) / size * level + (expected - rate) / size
            self.visits[row] += 1
        self.ability -= float((self.levels - before).sum() / len(self.names))

    def state_dict(self) -> dict[str, Any]:
        """Return the ability, the difficulties and the visits."""
        return {
            "ability": self.ability,
            "levels": self.levels.tolist(),
            "visits": self.visits.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.ability, self.levels = state["ability"], np.array(state["levels"])
        self.visits = np.array(state["visits"], np.int64)
