r"""Read which option of a multiple choice an answer names, and what is compared with a gold answer.

An answer names an option by its letter alone, in whatever decoration: ``C``, ``(c)``, ``C.``,
``**C**``, ``$\mathrm{C}$``, ``\textbf{(C)}``, ``Option C``, ``The answer is (C)``. What follows the
letter must be the option's own text, ``C) 25``; where the texts are not known, one number. All else
names none: ``C or D``, ``CD``, ``not C``, ``C) 25 or 30``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from edgewise.answer import extract_answer
from edgewise.number import read_exact

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAX_LENGTH = 2_000  # of an answer
MARK = re.compile(r"^([A-Z])\) ", re.MULTILINE)  # before an option, below a question
STYLE = re.compile(
    r"\\(?:text(?:bf|rm|it|sf|tt|up|normal)?|math(?:bf|rm|it|sf|tt|normal)|operatorname|mbox|emph"
    r"|underline|boldsymbol|bm|bf|rm|it|boxed|fbox|displaystyle|left|right)(?![A-Za-z])"
    r"|\\[()\[\]]|\\(?=[$%])|</?[bi]>|[{}$*_`\"'\u201c\u201d\u2018\u2019\u00ab\u00bb]"
)
SPACE = re.compile(r"\\[,;:! ]|(?<!~)~(?!~)|\s+")
WORDS = r"(?P<words>(?:(?:the|my|correct|right|best|final|answer|option|choice|letter|is)\b:? ?)*)"
NAMED = re.compile(
    WORDS + r"(?P<open>[(\[]{0,2})(?P<letter>[A-Za-z])(?P<close>[)\]]{0,2})(?P<mark>[.:,]?) ?"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.ASCII,
)
PROSE = re.compile(r"(?:(?<![\\a-zA-Z])[a-zA-Z]{2,20}[^a-zA-Z\\]{1,20}){6}")


def write_options(question: str, options: Mapping[str, str]) -> str:
    """Return `question` with each option on a line of its own below it."""
    return "\n".join([question, *(f"{letter}) {text}" for letter, text in options.items())])


def read_options(question: str) -> dict[str, str]:
    r"""Return the options below a question, by letter; none if there are none.

    >>> read_options("Which?\nA) one\nB) two")
    {'A': 'one', 'B': 'two'}
    """
    parts = MARK.split(question)
    return dict(zip(parts[1::2], map(str.strip, parts[2::2]), strict=True))


def read_letter(answer: str, options: Mapping[str, str] | None = None) -> str | None:
    r"""Return the one letter that `answer` names, a capital; None if it names none or several.

    Args:
        answer: Any text; of a box in it, only what is in the box.
        options: The texts by letter; no other letter is named. None for all letters, whose texts
            are not known.

    >>> [read_letter(text) for text in (r"\textbf{(C)}", "c)", "Option C", "C) 25")]
    ['C', 'C', 'C', 'C']
    >>> [read_letter(text) for text in ("C or D", "CD", "not C", "a cat")]
    [None, None, None, None]
    >>> read_letter("B: two", {"A": "one", "B": "two"}), read_letter("A: two", {"A": "one", "B": "two"})
    ('B', None)
    """
    if len(answer) > MAX_LENGTH:
        return None
    boxed = extract_answer(answer, "boxed")
    match = NAMED.fullmatch(plain(answer if boxed is None else boxed))
    if match is None:
        return None
    letter, rest = match["letter"].upper(), match["rest"]
    bracketed = bool(match["close"])
    if match["open"] and not bracketed:
        return None
    words = match["words"].rstrip(": ").lower()
    told = not words or words.endswith(("option", "choice", "letter"))
    if match["letter"].islower() and not told and not bracketed:
        return None  # "The answer is a" may go on
    if options is not None and letter not in options:
        return None
    if not rest:
        return letter
    if not bracketed and match["mark"] not in (".", ":"):
        return None
    if options is None:
        return letter if read_exact(rest) is not None else None
    return letter if key(rest) == key(plain(options[letter])) else None


def names_option(question: str, gold: str, answer: str) -> bool:
    """Return whether `answer` names the option `gold`, a letter, of those below `question`."""
    return read_letter(answer, read_options(question) or None) == gold


def plain(text: str) -> str:
    """Return `text` without fonts, boxes, formula marks and quotes, in one line."""
    folded = unicodedata.normalize("NFKC", text[:MAX_LENGTH])
    return SPACE.sub(" ", STYLE.sub("", folded)).strip()


def key(text: str) -> str:
    """Return `text` without spaces, case and a full stop at the end."""
    return text.replace(" ", "").rstrip(".").casefold()


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
