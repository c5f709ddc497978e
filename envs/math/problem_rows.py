"""What a row of a user's own data becomes: question, gold answer, level or difficulty, subject.

Every function raises ValueError with the reason where a row has not what is needed; nothing that is
missing becomes text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, NamedTuple

from edgewise.envs.math.answers import LETTERS, read_letter, read_options, write_options
from edgewise.envs.math.files import MAX_ANSWER, MAX_QUESTION
from edgewise.row_file import Value, place_of, read_split
from edgewise.rows import Row, check_text, quoted

MAX_LEVEL = 1_000_000
LEVEL = re.compile(r"\d{1,20}(?:\.\d{1,20})?", re.ASCII)
USUAL = {  # names of columns that hold the same in one data set or another
    "question": ("question", "problem", "prompt", "query", "input", "text", "instruction"),
    "answer": (
        "answer",
        "target",
        "solution",
        "gold",
        "label",
        "ground_truth",
        "output",
        "correct",
    ),
}


@dataclass(frozen=True)
class Layout:
    """Which column holds what; `a.0.b` is b of the first of a."""

    question: str = "question"
    answer: str = "answer"
    level: str = ""  # a number from 1, perhaps after a word, or one of `level_values`
    difficulty: str = ""  # a number that is larger for harder problems; -x if it is smaller
    subject: str = ""
    split: str = ""  # train, validation or test
    options: str = ""  # of a choice: a list of texts, or texts by letter
    kind: str = "expression"  # of the answers
    around: str = ""  # a regular expression of what stands around the question and is cut off
    repo: str = ""  # on the hub
    level_values: tuple[Value, ...] = ()  # what the column of levels has, easiest first


class Entry(NamedTuple):
    """A parsed row of a data file."""

    place: str
    question: str  # with its options below
    answer: str
    subject: str
    level: int | None  # None if no column holds it
    difficulty: float | None
    split: str  # "" if no column holds it


def read_entry(place: str, row: Row, layout: Layout, by_difficulty: bool) -> Entry:
    """Read the fields of a row.

    Args:
        place: Of the row, for messages.
        row: By the names of the columns.
        layout: What the columns are called.
        by_difficulty: Whether the difficulty is needed.
    """
    question = check_text("the question", pick(row, layout, "question"), MAX_QUESTION)
    if layout.around:
        question = re.sub(layout.around, "", question, flags=re.DOTALL)
    if layout.options:
        question = write_options(question, options_of(pick(row, layout, "options")))
    question = check_text("the question", question, MAX_QUESTION)
    gold = pick(row, layout, "answer")
    is_choice = layout.kind == "choice"
    answer = read_choice(gold, read_options(question) or None) if is_choice else read_gold(gold)
    return Entry(
        place,
        question,
        answer,
        read_subject(pick(row, layout, "subject")) if layout.subject else "",
        level_of(pick(row, layout, "level"), layout) if layout.level else None,
        read_difficulty(pick(row, layout, "difficulty"), layout) if by_difficulty else None,
        read_split(pick(row, layout, "split")) if layout.split else "",
    )


def pick(row: Row, layout: Layout, field: str) -> Any:
    """Return the value of a field's column; ValueError if there is none."""
    path: str = getattr(layout, field)
    path = path.removeprefix("-") if field == "difficulty" else path
    if path in row:
        return row[path]
    found: Any = row
    for name in path.split("."):
        try:
            found = found[int(name) if isinstance(found, list) else name]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ValueError(missing(row, field, path)) from None
    return found


def missing(row: Row, field: str, path: str) -> str:
    """Return the message for a column that is not there, with the one that may be meant."""
    names = [str(name)[:40] for name in row][:20]
    near = [name for name in USUAL.get(field, ()) if name in names]
    near += get_close_matches(path, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"`{field}_column` must name a column, got {path!r}; the columns are {', '.join(names)}{hint}"


def read_gold(value: object, name: str = "the answer") -> str:
    """Return a gold answer as text: of a number its digits, of a list of one what is in it."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, (float, Decimal)):
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value}")
        value = format(Decimal(str(value)), "f")
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, a number or a list of one, got {quoted(value)}")
    return check_text(name, value, MAX_ANSWER).strip()


def read_choice(value: object, options: Mapping[str, str] | None) -> str:
    """Return the letter of the right option, which the data names by letter or place from 0."""
    text, letters = read_gold(value), LETTERS if options is None else "".join(sorted(options))
    if text.isascii() and text.isdigit():
        if len(text) > 2 or int(text) >= len(letters):
            raise ValueError(f"the answer must be a place below {len(letters)}, got {text[:40]}")
        return letters[int(text)]
    letter = read_letter(text, options)
    if letter is None:
        raise ValueError(f"the answer must be a letter among {letters}, got {quoted(value)}")
    return letter


def options_of(value: object) -> dict[str, str]:
    """Return the texts of the options by letter; a text is read as JSON."""
    found = value
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            found = None
    if isinstance(found, list) and len(found) <= len(LETTERS):
        found = dict(zip(LETTERS, found, strict=False))
    elif isinstance(found, dict):
        found = {str(key).upper(): text for key, text in found.items() if text is not None}
    if not isinstance(found, dict) or not found or not set(found) <= set(LETTERS):
        raise ValueError(f"the options must be texts, or texts by letter, got {quoted(value)}")
    return {letter: read_gold(text, f"option {letter}") for letter, text in found.items()}


def read_subject(value: object) -> str:
    """Return a subject, "" for null."""
    return "" if value is None or value == "" else read_gold(value, "the subject")


def level_of(value: object, layout: Layout) -> int:
    """Return the level that a value of the column means."""
    return place_of(value, layout.level_values) if layout.level_values else read_level(value)


def read_level(value: object) -> int:
    """Return a level: a whole number from 1, or a text with one."""
    level = number_of(value)
    if math.isnan(level) and isinstance(value, str) and (found := LEVEL.search(value)):
        level = float(found[0])
    if not level.is_integer() or not 1 <= level <= MAX_LEVEL:
        raise ValueError(f"the level must be a whole number from 1, got {quoted(value)}")
    return int(level)


def read_difficulty(value: object, layout: Layout) -> float:
    """Return a difficulty, larger for harder problems."""
    number = number_of(value)
    if not math.isfinite(number):
        raise ValueError(f"the difficulty must be a number, got {quoted(value)}")
    return -number if layout.difficulty.startswith("-") else number


def number_of(value: object) -> float:
    """Return a number, or the one that a text is; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan
