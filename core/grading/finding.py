"""Find the answer in a text: the last box, else what the prose states."""

from __future__ import annotations

import re

from edgewise.answer import BOXES, Box, boxes_from_end
from edgewise.grading.prose import conclusion

BETWEEN_BOXES = re.compile(
    r"(?:[\s$,;]|\\[()\[\],;:! ]|\\q?quad|\\(?:text|mbox|mathrm)\s*\{\s*(?:and|or)?\s*\}|\band\b|\bor\b"
    r"|(?<![a-zA-Z])[a-zA-Z]\s*=)*"
)


def find_answer(text: str) -> str:
    r"""Extract the last ``\boxed{}`` of `text`, else the answer that its prose states (`conclusion`).

    Boxes with nothing but commas, "and" or "or" between them are one list.

    >>> find_answer(r"so \boxed{7}, no: \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> find_answer(r"\boxed{2} \text{ and } \boxed{3}"), find_answer("7")
    ('2, 3', '7')
    """
    if not any(box in text for box in BOXES):
        return conclusion(text)
    found: list[Box] = []
    for box in boxes_from_end(text):
        if found and not BETWEEN_BOXES.fullmatch(text[box.stop : found[-1].start]):
            break
        found.append(box)
    return ", ".join(text[box.begin : box.end] for box in reversed(found)) if found else text
