"""The bases of every curriculum over arms: a distribution, and how it learns or follows a plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.signal import Floats, Ints, MeanAbsAdvantage, Signal, Updated


@dataclass(eq=False)
class Rule(ABC):
    """Choose among K arms. A rule knows no environment and no model.

    A rule is a dataclass whose fields are its hyperparameters; `start` makes the state. Subclasses
    call `start` and `update` of this class first. A rule in this package that sets `name` is in the
    catalogue; the other class attributes describe it there and to its tests.

    Example:
        >>> @dataclass(eq=False)
        ... class Last(Rule):
        ...     def probabilities(self):
        ...         return np.eye(self.num_arms)[-1]
        >>> rule = Last()
        >>> rule.start(num_arms=3)
        >>> rule.probabilities().tolist()
        [0.0, 0.0, 1.0]
    """

    name: ClassVar[str] = ""  # by which `make_rule`, the command line and records call it
    order: ClassVar[int] = 1000  # place in lists, ascending
    paper: ClassVar[str] = ""  # its arXiv id
    cost: ClassVar[str] = "none"  # what is needed beside the completions trained on
    example: ClassVar[str] = ""  # arguments for the fields without a default, such as "arms=[0]"
    equivariant: ClassVar[bool] = False  # whether permuting the arms permutes the probabilities
    learns: ClassVar[bool] = True  # whether what completions earn may change the probabilities
    explores: ClassVar[bool] = False  # whether every arm keeps a probability above 0.005, K = 5
    signal: Signal = field(default=MeanAbsAdvantage(), kw_only=True)  # what `update` learns from
    signal_size: ClassVar[int] = 1  # S, the numbers that it must give for each problem

    @property
    def learns_after(self) -> bool:
        """Return whether to call `learn_after`, which costs a forward pass of the batch."""
        return False

    def start(self, num_arms: int) -> None:
        """Reset the state, for `num_arms` arms, K.

        Raises:
            ValueError: If `num_arms` is not positive.
        """
        if num_arms < 1:
            raise ValueError(f"`num_arms` must be at least 1, got {num_arms}")
        self.num_arms = num_arms
        self.signal.start(num_arms)

    @abstractmethod
    def probabilities(self) -> Floats:
        """Return the probability of each arm, shape (K,)."""

    def resample(self, rng: np.random.Generator) -> None:  # noqa: B027
        """Draw what `probabilities` depends on at random, once before arms are drawn from them."""

    def update(self, arms: Ints, signal: Floats) -> None:
        """Learn from one training step.

        Args:
            arms: The arm of each problem, shape (P,).
            signal: The learning signal of each problem, shape (P,), or (P, S) for S > 1.

        Raises:
            ValueError: If an arm does not exist, or a signal is missing or not finite.
        """
        self.check_arms(arms)
        shape = (arms.size, self.signal_size)[: min(self.signal_size, 2)]
        if signal.shape != shape:
            raise ValueError(f"`signal` must have shape {shape}, got {signal.shape}")
        if not np.isfinite(signal).all():
            raise ValueError(f"`signal` must be finite, got {signal.tolist()}")

    def learn_after(self, arms: Ints, updated: Updated) -> None:
        """Learn what the update of the policy did; called after `update` if `learns_after`.

        Args:
            arms: The arm of each problem that the policy was trained on, shape (P,).
            updated: Advantages and ratios of their completions.

        Raises:
            ValueError: If an arm does not exist, or a number is missing or not finite.
        """
        self.check_arms(arms)
        updated.check(len(arms))

    def check_arms(self, arms: Ints) -> None:
        """Raise ValueError if `arms` are not some of the arms, shape (P,)."""
        if arms.ndim != 1 or not arms.size:
            raise ValueError(f"`arms` must have one dimension and an arm, got shape {arms.shape}")
        if not np.isin(arms, np.arange(self.num_arms)).all():
            raise ValueError(f"`arms` must be in range({self.num_arms}), got {arms.tolist()}")

    def arm_values(self) -> Floats | None:
        """Return the rule's estimate of each arm's value, (K,), for metrics; None if it has none."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return the state that `update` changes, as plain numbers and lists."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Restore a state that `state_dict` returned."""


@dataclass(eq=False)
class Schedule(Rule):
    """A rule whose probabilities depend on the training step alone.

    Example:
        >>> class Ramp(Schedule):
        ...     def probabilities(self):
        ...         return np.array([1 - self.time(), self.time()])
        >>> rule = Ramp(num_steps=4)
        >>> rule.start(num_arms=2)
        >>> rule.update(np.array([0]), np.array([0.5]))
        >>> rule.probabilities().tolist()
        [0.75, 0.25]
    """

    learns: ClassVar[bool] = False
    num_steps: int  # T, the training steps that the schedule spans

    def __post_init__(self) -> None:
        """Check the length."""
        if self.num_steps < 1:
            raise ValueError(f"`num_steps` must be at least 1, got {self.num_steps}")

    def start(self, num_arms: int) -> None:
        """Go back to step 0."""
        super().start(num_arms)
        self.step = 0  # t

    def time(self) -> float:
        """Return t / T, or 1 after the end."""
        return min(self.step / self.num_steps, 1.0)

    def update(self, arms: Ints, signal: Floats) -> None:
        """Advance by one step, whatever was learned."""
        super().update(arms, signal)
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the step."""
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the step."""
        self.step = state["step"]
