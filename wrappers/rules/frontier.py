"""Frontier, a rule of this project: Thompson sampling of how likely a group teaches, for its length."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.probability import (
    beta_quantiles,
    floored,
    informative_chance,
    largest_draw,
    slope,
    softmax,
)
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints, Outcomes, Signal, Updated

DRAWS = ("thompson", "softmax")
GAINS = ("none", "progress", "update")
QUANTILES = (np.arange(128) + 0.5) / 128  # of the beliefs
EPSILON = 1e-8  # keeps the sum of the gains from 0
PARTS = ("counts", "lengths", "utilities")


@dataclass(eq=False)
class Frontier(Rule):
    """Arms by the chance that a group is informative, raised by gain, per character.

    The success p of each arm has the belief

        p ~ Beta(1 + s m + right, 1 + s (1 - m) + wrong),

    with counts that decay and return to even odds as those of `MarinRule`, and, if its strength s is
    not 0, a prior whose mean m falls linearly from 0.85 to 0.05 over the arms. An arm is worth

        w(p) = (1 - p^n - (1 - p)^n) (1 + clip(gamma g, -1/2, 1)) / c,

    n being the completions of a group and c the length of the arm's completions, in that of all. The
    gain g is, by `gain`, "none"; with "progress" the slope of the arm's success over the last `window`
    steps that posed it, divided by the sum of |slope| over arms, as in PAC; with "update" the decayed
    mean of the utilities of Actor-Curator, divided in the same way.

    Each problem goes to the arm of the largest w of one draw from each belief; its probability is
    computed, not drawn, from 128 quantiles. With `draw` "softmax" the beliefs are taken at their means
    and arms drawn in proportion to w^(1 / temperature). No probability is below floor / K, but for the
    last division. What each part adds is found by leaving it out: `mass` 0, `strength` 0, `gain`
    "none", `per_length` false, `floor` 0, `draw` "softmax".

    Example:
        >>> rule = Frontier()
        >>> rule.start(num_arms=2)
        >>> signal = np.array([[4.0, 8.0, 1.0, 20.0], [0.0, 8.0, 0.0, 30.0]])  # of `Outcomes`
        >>> rule.update(np.array([0, 1]), signal)
        >>> rule.probabilities().round(2).tolist()
        [0.98, 0.02]
    """

    name: ClassVar[str] = "frontier"
    order: ClassVar[int] = 240
    equivariant: ClassVar[bool] = True
    explores: ClassVar[bool] = True
    signal: Signal = field(default=Outcomes(), kw_only=True)
    signal_size: ClassVar[int] = Outcomes.size
    decay: float = 0.95  # in (0, 1]
    mass: float = 2.0  # reversion to even odds, in completions and groups, at least 0
    strength: float = 0.0  # s, of the prior that later arms are harder, at least 0
    gain: Literal["none", "progress", "update"] = "progress"
    gain_weight: float = 1.0  # gamma, at least 0
    window: int = 16  # steps of an arm whose slope is its progress, at least 2
    per_length: bool = True  # whether to divide by c
    draw: Literal["thompson", "softmax"] = "thompson"
    temperature: float = 1.0  # positive; for "softmax"
    floor: float = 0.05  # in [0, 1]

    def __post_init__(self) -> None:
        """Check the arguments."""
        for name, known in (("gain", GAINS), ("draw", DRAWS)):
            if getattr(self, name) not in known:
                raise ValueError(unknown(name, getattr(self, name), known))
        if not 0 < self.decay <= 1:
            raise ValueError(f"`decay` must be in (0, 1], got {self.decay}")
        for name in ("mass", "strength", "gain_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be at least 0, got {getattr(self, name)}")
        if self.window < 2:
            raise ValueError(f"`window` must be at least 2, got {self.window}")
        if self.temperature <= 0:
            raise ValueError(f"`temperature` must be positive, got {self.temperature}")
        if not 0 <= self.floor <= 1:
            raise ValueError(f"`floor` must be in [0, 1], got {self.floor}")

    @property
    def learns_after(self) -> bool:
        """Return whether gain is that of the update."""
        return self.gain == "update"

    def start(self, num_arms: int) -> None:
        """Forget all outcomes."""
        super().start(num_arms)
        self.step, self.size = 0, 8  # n
        self.counts = np.zeros((2, num_arms))  # right, all completions
        self.lengths = np.zeros((2, num_arms))  # characters, completions; without reversion
        self.utilities = np.zeros((2, num_arms))  # their sum, groups
        # Of each arm, (step, mean success).
        self.past: list[deque[list[float]]] = [deque(maxlen=self.window) for _ in range(num_arms)]

    def beliefs(self) -> tuple[Floats, Floats]:
        """Return a and b of each arm's belief, both (K,)."""
        prior = np.linspace(0.85, 0.05, self.num_arms)
        right, made = self.counts
        return 1 + self.strength * prior + right, 1 + self.strength * (1 - prior) + made - right

    def gains(self) -> Floats:
        """Return g, (K,)."""
        if self.gain == "none":
            return np.zeros(self.num_arms)
        if self.gain == "update":
            raw = self.utilities[0] / np.maximum(self.utilities[1], EPSILON)
        else:
            raw = np.array(
                [slope(*zip(*past, strict=True)) if len(past) > 1 else 0.0 for past in self.past]
            )
        gains: Floats = raw / (np.abs(raw).sum() + EPSILON)
        return gains

    def costs(self) -> Floats:
        """Return c, 1 of arms never posed, (K,)."""
        characters, made = np.maximum(self.lengths[0], EPSILON), self.lengths[1]
        if not self.per_length or not made.any():
            return np.ones(self.num_arms)
        mean = characters.sum() / made.sum()
        costs: Floats = np.where(made > 0, characters / np.where(made > 0, made, 1.0) / mean, 1.0)
        return costs

    def worth(self, success: Floats) -> Floats:
        """Return w of success of any shape whose last axis is arms, (..., K)."""
        raised = 1 + np.clip(self.gain_weight * self.gains(), -0.5, 1.0)
        worth: Floats = informative_chance(success, self.size) * raised / self.costs()
        return worth

    def probabilities(self) -> Floats:
        """Return how likely each arm is worth most, or what `draw` says, shape (K,)."""
        if self.draw == "softmax":
            logs = np.log(np.maximum(self.arm_values(), EPSILON))
            return floored(softmax(logs, self.temperature), self.floor)
        drawn = beta_quantiles(*self.beliefs(), QUANTILES)  # (K, Q)
        return floored(largest_draw(self.worth(drawn.T).T), self.floor)

    def update(self, arms: Ints, signal: Floats) -> None:
        """Add the outcomes of the batch to the counts."""
        super().update(arms, signal)
        right, made, _, lengths = signal.T
        for row, counted in enumerate((right, made)):
            share = self.mass * (1 + row) / 2
            self.counts[row] = self.decay * self.counts[row] + self.sums(arms, counted) + share
        for row, counted in enumerate((lengths * made, made)):
            self.lengths[row] = self.decay * self.lengths[row] + self.sums(arms, counted)
        for arm in np.unique(arms).tolist():
            posed = arms == arm
            rate = float(right[posed].sum() / max(made[posed].sum(), 1.0))
            self.past[arm].append([float(self.step), rate])
        self.size = max(int(made.max()), 2)
        self.step += 1

    def learn_after(self, arms: Ints, updated: Updated) -> None:
        """Remember the utilities."""
        super().learn_after(arms, updated)
        for row, counted in enumerate((updated.utilities(), np.ones(len(arms)))):
            self.utilities[row] = self.decay * self.utilities[row] + self.sums(arms, counted)

    def sums(self, arms: Ints, values: Floats) -> Floats:
        """Return the sum of `values`, (P,), of each arm, (K,)."""
        sums: Floats = np.bincount(arms, values, self.num_arms).astype(np.float64)
        return sums

    def arm_values(self) -> Floats:
        """Return w of the mean beliefs, shape (K,)."""
        a, b = self.beliefs()
        return self.worth(a / (a + b))

    def state_dict(self) -> dict[str, Any]:
        """Return the counts and the window."""
        state = {part: getattr(self, part).tolist() for part in PARTS}
        past = [list(own) for own in self.past]
        return {**state, "step": self.step, "size": self.size, "past": past}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        for part in PARTS:
            setattr(self, part, np.array(state[part]))
        self.step, self.size = state["step"], state["size"]
        self.past = [deque(own, maxlen=self.window) for own in state["past"]]
