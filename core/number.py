"""Read one exact number from an answer."""

from __future__ import annotations

import re
from fractions import Fraction

MAX_LENGTH = 100
WHOLE = r"[-+]? *\d{1,60}"
NUMBER = re.compile(
    rf"([-+]?) *(?:\\[dt]?frac *(?:\{{ *({WHOLE}) *\}} *\{{ *({WHOLE}) *\}}|(\d)(\d))"
    r"|(\d{1,3}(?:,\d{3})+|\d{1,60})(?: */ *(-?\d{1,60})|(\.\d{1,60}))?|(\.\d{1,60}))",
    re.ASCII,
)
SPACE = re.compile(r"(?<!\d) +| +(?!\d)", re.ASCII)  # none between digits, which are two numbers


def read_exact(text: str) -> Fraction | None:
    r"""Return the value of an integer, a decimal or a fraction of integers; None if it is none.

    Nothing is calculated but one division, so a sum or a power is no number.

    >>> [str(read_exact(text)) for text in (r"-\frac{3}{4}", "1/-2", "0.5", "1,200", " −7. ", "$3$")]
    ['-3/4', '-1/2', '1/2', '1200', '-7', '3']
    >>> [read_exact(text) for text in ("2 + 3", "1/0", "2^3", "1e3", "", "٣")]
    [None, None, None, None, None, None]
    """
    if len(text) > MAX_LENGTH:
        return None
    match = NUMBER.fullmatch(text.replace("−", "-").strip(" $").rstrip(". "))
    if match is None:
        return None
    sign, top, bottom, one, two, whole, under, decimals, small = match.groups()
    divisor = int((bottom or two or under or "1").replace(" ", ""))
    if divisor == 0:
        return None
    digits = top or one or small or whole.replace(",", "") + (decimals or "")
    value = Fraction(digits.replace(" ", "")) / divisor
    return -value if sign == "-" else value
