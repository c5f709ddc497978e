"""What an action leads to; an episode so far is the outcomes of its actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edgewise.task import Verdict


class Outcome(NamedTuple):
    """What an action leads to."""

    observation: str
    reward: float
    done: bool
    correct: Verdict  # None if it could not be verified; the reward is then 0
    formatted: bool
    answer: str | None
    truncated: bool = (
        False  # whether it is done because a limit was reached, without a last verdict
    )
    ends_attempt: bool = (
        False  # whether it was the last of an attempt; the task begins anew after it
    )
    num_calls: int = 0  # of tools; an action with calls is no answer
    said: str = (
        ""  # the text so far, calls and results included, which the next action goes on with
    )

    @property
    def verified(self) -> bool:
        """Return whether there is a verdict."""
        return self.correct is not None


History = Sequence[Outcome]  # of one episode, in order


def unfinished(history: History) -> str:
    """Return the text that the next action goes on with: what was said up to calls of tools."""
    return history[-1].said if history else ""


def answers_of_attempt(history: History) -> Iterator[str]:
    """Yield the answers of the present attempt, "" where there was none."""
    first = max(
        (i for i, outcome in enumerate(history, start=1) if outcome.ends_attempt), default=0
    )
    return (outcome.answer or "" for outcome in history[first:] if not outcome.num_calls)


def num_attempts(history: History) -> int:
    """Return how many attempts are over."""
    return sum(outcome.ends_attempt for outcome in history)
