"""Parse what is not an expression: times, dates, numerals, choices, units, words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgewise.grading.tokens import Token
from edgewise.grading.values import Clock, Date, Letter, Numeral, Unit, Words
from edgewise.grading.vocabulary import (
    COMPOUND_UNITS,
    LEADING,
    MONTHS,
    NO_UNITS,
    NUMBER_WORDS,
    POWER_WORDS,
    UNITS,
    is_word,
)

MAX_WORDS = 60
UNIT_SIGNS = {"$": "$", "€": "€", "£": "£", '"': "in"}
TEXTUAL = ("word", "run", "letter", "number")


def read_clock(tokens: Sequence[Token]) -> Clock | None:
    """Parse a time of day: 9:05, 4:51:06 pm, 9 am; None if it is none.

    Without am or pm, only what is no ratio in lowest terms is a time: 3:45, 10:05.
    """
    half = tokens[-1].text if tokens[-1].kind == "word" and tokens[-1].text in ("am", "pm") else ""
    parts = tokens[:-1] if half else tokens
    if len(parts) not in (1, 3, 5) or (len(parts) == 1 and not half):
        return None
    if any(token.text != ":" for token in parts[1::2]):
        return None
    texts = [token.text for token in parts[::2]]
    if not all(text.isdigit() and len(text) <= 2 for text in texts):
        return None
    if any(len(text) != 2 for text in texts[1:]):
        return None
    hours, minutes, seconds = [*map(int, texts), 0, 0][:3]
    if hours > 24 or minutes > 59 or seconds > 59 or (half and not 1 <= hours <= 12):
        return None
    plain = len(texts) == 2 and not half and "0" not in (texts[0][0], texts[1][0])
    if plain and math.gcd(hours, minutes) == 1:
        return None
    return Clock(hours, minutes, seconds, half)


def read_date(tokens: Sequence[Token]) -> Date | None:
    """Parse a date: "June 20", "20 June", "October 30, 2005"; None if it is none."""
    texts = [
        token.text.lower() for token in tokens if token.text not in (",", "th", "st", "nd", "rd")
    ]
    if len(texts) < 2 or len(texts) > 3 or (not texts[-1].isdigit() and texts[-1] not in MONTHS):
        return None
    if texts[0] in MONTHS:
        month, day = texts[0], texts[1]
    elif texts[1] in MONTHS:
        day, month = texts[0], texts[1]
    else:
        return None
    if not day.isdigit() or not 1 <= int(day) <= 31:
        return None
    if len(texts) == 3 and not (texts[2].isdigit() and len(texts[2]) == 4):
        return None
    return Date(MONTHS[month], int(day), int(texts[2]) if len(texts) == 3 else None)


def read_numeral(tokens: Sequence[Token]) -> Numeral | None:
    r"""Parse a numeral in a base: 1202_3, (2A)_{16}, "101 base 2"; None if it is none."""
    texts = [token.text for token in tokens if token.text not in ("{", "}", "(", ")", "in")]
    if "_" in texts and "base" in texts:
        texts.remove("base")
    sign = "-" if texts[:1] == ["-"] else ""
    texts = texts[1:] if sign else texts
    marks = [i for i, text in enumerate(texts) if text in ("_", "base", "BASE")]
    if len(marks) != 1 or not 0 < marks[0] == len(texts) - 2:
        return None
    digits, base = "".join(texts[: marks[0]]).upper(), texts[-1].lower()
    if base not in NUMBER_WORDS and not base.isdigit():
        return None
    radix = NUMBER_WORDS.get(base) or int(base)
    if not 2 <= radix <= 36 or not any(map(str.isdigit, digits)):
        return None
    whole, _, part = digits.partition(".")
    for digit in whole + part:
        if not (digit.isdigit() or "A" <= digit <= "Z") or int(digit, 36) >= radix:
            return None
    part = part.rstrip("0")
    digits = (whole.lstrip("0") or "0") + (f".{part}" if part else "")
    return Numeral(sign + digits, radix)


def read_letter(tokens: Sequence[Token]) -> Letter | None:
    r"""Parse the letter of a choice: C, (C), C), "option C".

    >>> from edgewise.grading.tokens import lex
    >>> [read_letter(lex(text)) for text in ("(C)", r"\textbf{(A)}", "x")]
    [Letter(letter='C'), Letter(letter='A'), None]
    """
    texts = [token.text for token in tokens if token.text not in ("{", "}")]
    if texts[:1] and texts[0].lower() in ("option", "choice", "answer"):
        texts = texts[1:]
    if texts[:1] == ["("]:
        texts = texts[1:]
    elif len(texts) > 2:
        return None
    if not texts or len(texts[0]) != 1 or not "A" <= texts[0] <= "Z":
        return None
    rest = texts[1:]
    if rest in ([], [")"], ["."], [":"]) or rest in ([")", "."], [")", ":"]):
        return Letter(texts[0])
    return None


def split_option(tokens: Sequence[Token]) -> tuple[Letter, Sequence[Token]] | None:
    r"""Split \textbf{(A)}\ 46 into the choice and its text; None if it is none."""
    if len(tokens) < 3:
        return None
    if tokens[0].text == "(" and tokens[2].text == ")" and len(tokens) > 3:
        letter, after, rest = tokens[1], tokens[3], tokens[3:]
    elif tokens[1].text in (")", ".", ":"):
        letter, after, rest = tokens[0], tokens[2], tokens[2:]
    else:
        return None
    if letter.kind not in ("word", "letter") or not "A" <= letter.text <= "Z" or not after.spaced:
        return None
    return (Letter(letter.text), rest) if len(letter.text) == 1 else None


def split_unit(tokens: Sequence[Token]) -> tuple[Sequence[Token], Unit, bool] | None:
    """Split off a trailing unit: the rest, the unit, and whether it is a known one."""
    if tokens[0].text in UNIT_SIGNS and tokens[0].text != '"':
        rest, sign = tokens[1:], UNIT_SIGNS[tokens[0].text]
        inner = split_unit(rest) if rest else None
        if inner is not None:
            return (inner[0], inner[1], True) if inner[1] == ((sign, 1),) else None
        return (rest, ((sign, 1),), True) if rest else None
    if tokens[0].text == "-" and len(tokens) > 2 and tokens[1].text in UNIT_SIGNS:
        return [tokens[0], *tokens[2:]], ((UNIT_SIGNS[tokens[1].text], 1),), True
    if tokens[0].text.upper() in ("USD", "US") and len(tokens) > 1:
        rest = tokens[2:] if tokens[1].text == "$" else tokens[1:]
        return (rest, (("$", 1),), True) if rest else None
    start = next((i for i in range(1, len(tokens)) if begins_unit(tokens, i)), None)
    if start is None:
        return None
    unit, before = tokens[start:], tokens[:start]
    if before[-1].text == "(" and unit[-1].text == ")" and start > 1:
        before, unit = before[:-1], unit[:-1]
    found = read_unit(unit) if unit else None
    return None if found is None else (before, *found)


def begins_unit(tokens: Sequence[Token], i: int) -> bool:
    """Check whether a unit may begin at index `i`."""
    token = tokens[i]
    if token.text == r"\frac":
        return all(t.text == "{" or t.kind == "word" for t in tokens[i + 1 : i + 3]) and (
            tokens[i + 2].kind == "word" if i + 2 < len(tokens) else False
        )
    if token.text == r"\min":
        return i == len(tokens) - 1
    if token.kind == "run":
        return (
            unit_parts(token.text) is not None
            or token.text in COMPOUND_UNITS
            or is_word(token.text)
            or (token.text in POWER_WORDS)
        )
    return (token.kind == "word" and token.text not in ("am", "pm")) or (
        token.text in UNIT_SIGNS and i == len(tokens) - 1
    )


def read_unit(tokens: Sequence[Token]) -> tuple[Unit, bool] | None:
    """Parse all of `tokens` as a unit, with whether it is a known one."""
    texts = [token.text for token in tokens if token.text not in ("{", "}")]
    if texts[:1] == [r"\frac"] and len(texts) == 3:
        texts = [texts[1], "/", texts[2]]
    if texts == [r"\min"]:
        texts = ["min"]
    found = known_unit([text for text in texts if text != "."])
    if found is not None:
        return found, True
    if not all(token.kind in ("word", "run") for token in tokens):
        return None
    words = [text.lower() for text in texts]
    if not 1 <= len(words) <= 4 or set(words) & NO_UNITS:
        return None
    return ((" ".join([*words[:-1], words[-1].removesuffix("s")]), 1),), False


def known_unit(texts: Sequence[str]) -> Unit | None:
    """Parse a known unit: "square feet", "cm ^ 2", "miles / hour", "miles per hour"."""
    powers: dict[str, int] = {}
    sign, i = 1, 0
    while i < len(texts):
        text = texts[i]
        if text in ("/", "per", "an") and powers and i + 1 < len(texts):
            sign, i = -1, i + 1
            continue
        power = 1
        if text.lower() in POWER_WORDS and i + 1 < len(texts):
            power, i = POWER_WORDS[text.lower()], i + 1
            text = texts[i]
        after = list(texts[i + 1 : i + 3])
        if power > 1 and after[:1] in (["^"], ["squared"], ["cubed"]):
            return None
        if after[:1] == ["^"] and after[1:] in (["2"], ["3"]):
            power, i = int(after[1]), i + 2
        elif after[:1] in (["squared"], ["cubed"]):
            power, i = POWER_WORDS[after[0]], i + 1
        parts = COMPOUND_UNITS.get(text) or unit_parts(text)
        if parts is None:
            return None
        for name, times in parts:
            powers[name] = powers.get(name, 0) + sign * power * times
        i += 1
    return tuple(sorted((name, power) for name, power in powers.items() if power)) or None


def unit_parts(text: str) -> Unit | None:
    """Look up a single unit."""
    name = (
        UNIT_SIGNS.get(text) or UNITS.get(text) or UNITS.get(text.lower() if len(text) > 1 else "")
    )
    return None if name is None else ((name, 1),)


def read_words(tokens: Sequence[Token]) -> Words | None:
    """Parse words, without a leading article; None if the text has anything but words."""
    tokens = [token for token in tokens if token.text not in ("{", "}")]
    if (
        not tokens
        or len(tokens) > MAX_WORDS
        or any(
            token.kind not in TEXTUAL and token.text not in ("(", ")", "-", "'", ".", ",", ":")
            for token in tokens
        )
    ):
        return None
    if not any(
        len(token.text) > 1 or token.kind == "word" for token in tokens if token.text.isalpha()
    ):
        return None
    words = [token.text.lower() for token in tokens]
    if words[0] in LEADING and len(words) > 1:
        words = words[1:]
    return Words(" ".join(words))
