"""Find the answer in a text: in its last box, else what it states."""

from __future__ import annotations

import re

from edgewise.grading.prose import conclusion

BRACE = re.compile(r"\\(?:boxed|fbox)\s*\{|\\[{}\\]|[{}]")
BETWEEN_BOXES = re.compile(
    r"(?:[\s$,;]|\\[()\[\],;:! ]|\\q?quad|\\(?:text|mbox|mathrm)\s*\{\s*(?:and|or)?\s*\}|\band\b|\bor\b"
    r"|(?<![a-zA-Z])[a-zA-Z]\s*=)*"
)


def find_answer(text: str) -> str:
    r"""Return what is in the last ``\boxed{}`` of `text`; else what it states, see `conclusion`.

    Boxes with nothing but commas, "and" or "or" between them are one list.

    >>> find_answer(r"so \boxed{7}, no: \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> find_answer(r"\boxed{2} \text{ and } \boxed{3}"), find_answer("7")
    ('2, 3', '7')
    """
    if r"\boxed" not in text and r"\fbox" not in text:
        return conclusion(text)
    text = text.replace(r"\\boxed", r"\boxed")  # quoted twice
    opened: list[tuple[int, int]] = []  # where each brace stands, -1 if it is no box's, and ends
    boxes: list[tuple[int, int, int, int]] = []  # in the order of their ends, none around another
    for brace in BRACE.finditer(text):
        if brace[0] in ("\\{", "\\}", "\\\\"):
            continue
        if brace[0] != "}":
            opened.append((brace.start() if brace[0] != "{" else -1, brace.end()))
        elif opened:
            start, begin = opened.pop()
            if start >= 0 and not (boxes and boxes[-1][0] >= begin):
                boxes.append((start, begin, brace.start(), brace.end()))
    if not boxes:
        return text
    found = [boxes[-1]]
    for box in reversed(boxes[:-1]):
        if not BETWEEN_BOXES.fullmatch(text[box[3] : found[0][0]]):
            break
        found.insert(0, box)
    return ", ".join(text[begin:end] for _, begin, end, _ in found)
