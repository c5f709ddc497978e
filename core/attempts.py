"""Several attempts at a problem: a wrong answer is answered with its verdict and another try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgewise.fields import build
from edgewise.outcome import History, Outcome, num_attempts

MAX_ATTEMPTS = 100
WRONG = "Wrong."
NO_ANSWER = "No answer was found."
AGAIN = "Try again."
HOW = {
    "any": r"Put the answer in \boxed{}.",
    "boxed": r"Put the answer in \boxed{}.",
    "answer": "Put the answer in <answer> </answer>.",
    "think_answer": "Put thoughts in <think> </think> and the answer in <answer> </answer>.",
}


@dataclass(frozen=True)
class AttemptRules:
    """The number of attempts, and the feedback between them.

    An episode ends at its first right answer, or at the last attempt. A right answer at the n-th
    attempt has its credit multiplied by discount^(n - 1), so that it never earns less than a wrong one.

    Example:
        >>> AttemptRules(3, discount=0.5)
        AttemptRules(most=3, discount=0.5, explain=False)
    """

    most: int  # attempts of an episode
    discount: float = 1.0  # in (0, 1]
    explain: bool = False  # whether the task's reason is told

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.most <= MAX_ATTEMPTS:
            raise ValueError(f"`attempts` must be in [1, {MAX_ATTEMPTS}], got {self.most}")
        if not 0 < self.discount <= 1:
            raise ValueError(f"`discount` must be in (0, 1], got {self.discount}")

    def after(self, outcome: Outcome, history: History, base: float, reason: str) -> Outcome:
        """Return what an outcome that ends an attempt leads to: the end, or another attempt.

        Args:
            outcome: Of the last action of the attempt, done.
            history: What came before it.
            base: What a wrong answer earns, beyond which a right one is discounted.
            reason: Why it is wrong, as the task says.
        """
        if outcome.correct is None:
            return outcome
        outcome, over = outcome._replace(ends_attempt=True), num_attempts(history)
        if outcome.correct:
            earned = base + (outcome.reward - base) * self.discount**over
            return outcome._replace(reward=earned)
        if over + 1 >= self.most:
            return outcome
        verdict = NO_ANSWER if outcome.answer is None else WRONG
        told = " ".join(filter(None, [verdict, reason, AGAIN]))
        return outcome._replace(observation=told, reward=0.0, done=False, truncated=False)


def attempt_rules(given: AttemptRules | Mapping[str, Any] | int | None) -> AttemptRules | None:
    """Return rules as a keyword of an environment gives them, None without any.

    Raises:
        ValueError: If a field does not exist, or a number is out of range.
    """
    if given is None or isinstance(given, AttemptRules):
        return given
    if isinstance(given, Mapping):
        return build(AttemptRules, given, "attempts")
    return build(AttemptRules, {"most": given}, "attempts")


def attempt_record(given: Mapping[str, Any] | int) -> dict[str, Any]:
    """Return rules that data gives as an object of JSON with every field.

    Raises:
        ValueError: As `attempt_rules`.
    """
    rules = attempt_rules(given)
    assert rules is not None
    return asdict(rules)
