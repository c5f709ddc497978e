"""FG-ExPO's weights: problems near even odds, by a Gaussian of their averaged success.

"FG-ExPO" (2026), arXiv 2605.11403; there is no code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.problem_rule import ProblemRule, draw
from edgewise.wrappers.rules.signal import Floats, Groups, Ints


@dataclass(eq=False)
class FGExPO(ProblemRule):
    """Draw in proportion to exp(-(p - 1/2)^2 / (2 width^2)), which is mild.

    p is .5 at first and, when a problem was posed, a moving average of the share of completions that
    were right. A problem at 0 or 1 keeps .36 of the largest weight.

    Departure: the other half of the method, a divergence in the loss that is weighted by
    (tanh of the batch's accuracy + 1) / 2, is not here; `kl_coef` is constant.

    Example:
        >>> rule = FGExPO()
        >>> rule.start(["a", "b"], difficulties=[0, 100])
        >>> right = np.array([[True, True]])  # (P, G)
        >>> rule.observe(["a"], Groups(right * 1.0, right, right * 0.5, lengths=right * 9))
        >>> np.exp(rule.log_weights()).round(3).tolist()
        [0.99, 1.0]
    """

    name: ClassVar[str] = "fg-expo"
    order: ClassVar[int] = 125
    paper: ClassVar[str] = "2605.11403"
    width: float = 0.35  # positive
    momentum: float = 0.9  # of the average, in [0, 1); 0 knows the last group alone

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.width <= 0:
            raise ValueError(f"`width` must be positive, got {self.width}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1), got {self.momentum}")

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Forget all groups."""
        super().start(names, difficulties)
        self.success = np.full(len(self.names), 0.5)  # p, (N,)

    def log_weights(self) -> Floats:
        """Return the logarithm of each problem's weight, the largest possible being 0, (N,)."""
        weights: Floats = -((self.success - 0.5) ** 2) / (2 * self.width**2)
        return weights

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Draw without replacement."""
        return draw(self.log_weights(), num_problems, rng)

    def learn(self, rows: Ints, groups: Groups) -> None:
        """Average the success."""
        for row, rate in zip(rows.tolist(), groups.mean(groups.correct).tolist(), strict=True):
            self.success[row] = self.momentum * self.success[row] + (1 - self.momentum) * rate

    def state_dict(self) -> dict[str, Any]:
        """Return the success of each problem."""
        return {"success": self.success.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the success of each problem."""
        self.success = np.array(state["success"])
