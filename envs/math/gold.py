"""What of an answer is compared with the gold answer of a data set."""

from __future__ import annotations

import re

from edgewise.answer import extract_answer

PROSE = re.compile(r"(?:(?<![\\a-zA-Z])[a-zA-Z]{2,20}[^a-zA-Z\\]{1,20}){6}")


def unwrap(answer: str) -> str:
    r"""Return what is in \boxed{}, which E2H asks for within <answer>, or all."""
    boxed = extract_answer(answer, "boxed")
    return answer if boxed is None else boxed


def compared(gold: str, answer: str) -> str:
    """Return what of `answer` is compared with `gold`."""
    return unwrap(answer) if is_terse(answer) or not is_terse(gold) else ""


def is_terse(answer: str) -> bool:
    """Return whether `answer` has no six words on end, among which any number could hide.

    >>> is_terse("15 square feet"), is_terse("It may be 3, but then it may also be 4, I think")
    (True, False)
    """
    return PROSE.search(answer) is None
