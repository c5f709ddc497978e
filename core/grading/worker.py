"""Grade one answer in a worker process, with higher size limits."""

from __future__ import annotations

from edgewise.grading import grade
from edgewise.grading.evaluate import Budget, TooLarge


def judge(gold: str, answer: str) -> bool:
    """Grade one answer; False if it exceeds the limits."""
    before, Budget.bits = Budget.bits, Budget.most
    try:
        return grade.judge(gold, answer)
    except TooLarge:
        return False
    finally:
        Budget.bits = before


judge("x^2 + 2x + 1", "(x + 1)^2")  # the imports are slow: here, no limit of time runs yet
