"""Refill what a filter rejected so that a batch keeps the arms that it was drawn with.

"MT-GRPO" (2026), arXiv 2602.05547, ratio-preserving sampler, and the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.signal import Bools, Floats, Ints

VARIANTS = ("paper", "code")


@dataclass(eq=False)
class Refill:
    """Draw arms in proportion to what is lacking of each: ratio-preserving refill.

    With n_k the groups of arm k in the first draw of a batch, c_k those that the filter kept, and
    rho_k the share of the arm's groups whose rewards are all equal,

        d_k = max(n_k - c_k, 0),    m_k = min(1 / (1 - rho_k), cap),

    and what was rejected is drawn anew with probabilities proportional to d_k m_k in the variant
    "paper", and to d_k in "code", whose factor m_k is off in most of its scripts. rho is a moving
    average over the batches that posed the arm, 0 at first; `momentum` is the code's.

    Departures: the paper draws three times the batch at first, weighted by m_k, and keeps n_k groups
    of each arm; here the first draw is the n_k, groups are drawn for free places alone, and an arm of
    which more than n_k are kept keeps them.
    """

    variant: Literal["paper", "code"] = "paper"
    cap: float = 5.0  # of m, at least 1
    momentum: float = 0.9  # of rho, in [0, 1); 0 knows the last batch alone

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.variant not in VARIANTS:
            raise ValueError(unknown("variant", self.variant, VARIANTS))
        if self.cap < 1:
            raise ValueError(f"`cap` must be at least 1, got {self.cap}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1), got {self.momentum}")

    def start(self, num_arms: int) -> None:
        """Forget all batches; there are `num_arms` arms, K."""
        self.rejected = np.zeros(num_arms)  # rho, (K,)
        self.seen = np.zeros(num_arms, np.bool_)  # which arms have a rho, (K,)

    def factors(self) -> Floats:
        """Return m, (K,)."""
        factors: Floats = 1 / np.maximum(1 - self.rejected, 1 / self.cap)
        return factors

    def probabilities(self, drawn: Ints, kept: Ints) -> Floats:
        """Return the probability of each arm for the places that are free, (K,).

        Args:
            drawn: The arms of the first draw, (P,).
            kept: The arms of the groups that the filter kept, fewer than P.
        """
        num_arms = len(self.rejected)
        lacking = np.bincount(drawn, minlength=num_arms) - np.bincount(kept, minlength=num_arms)
        weights: Floats = np.maximum(lacking, 0) * (
            self.factors() if self.variant == "paper" else 1.0
        )
        probabilities: Floats = weights / weights.sum()
        return probabilities

    def observe(self, arms: Ints, equal: Bools) -> None:
        """Learn which groups of a batch, kept and rejected ones, had equal rewards, both (N,)."""
        for arm in np.unique(arms).tolist():
            share = float(equal[arms == arm].mean())
            keep = self.momentum if self.seen[arm] else 0.0
            self.rejected[arm] = keep * self.rejected[arm] + (1 - keep) * share
            self.seen[arm] = True

    def to_json(self) -> dict[str, Any]:
        """Return the arguments and rho."""
        return {**asdict(self), "rejected": self.rejected.tolist(), "seen": self.seen.tolist()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Refill:
        """Return what `to_json` recorded, with its state."""
        refill = cls(record["variant"], record["cap"], record["momentum"])
        refill.rejected = np.array(record["rejected"], np.float64)
        refill.seen = np.array(record["seen"], np.bool_)
        return refill
