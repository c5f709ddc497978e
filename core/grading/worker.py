"""Judge one answer in a worker process, where larger numbers may be calculated."""

from __future__ import annotations

from edgewise.grading import grade
from edgewise.grading.evaluate import Beyond, Budget


def judge(gold: str, answer: str) -> bool:
    """Return whether `answer` means the same as `gold`; False if it is beyond all limits."""
    before, Budget.bits = Budget.bits, Budget.most
    try:
        return grade.judge(gold, answer)
    except Beyond:
        return False
    finally:
        Budget.bits = before


judge("x^2 + 2x + 1", "(x + 1)^2")  # the imports are slow: here, no limit of time runs yet
