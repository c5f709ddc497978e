"""Tables of who lives where, as JSON or as rows: written, and read from answers as data."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from edgewise.envs.zebra.problem import Values

MAX_TABLE = 10_000  # characters
FENCE = "```"
RULE = re.compile(r":?-+:?")
HOUSE = re.compile(r"(?:house )?([1-9])", re.IGNORECASE)
NUMBERED = re.compile(r"(?:house )?([1-9]) ?[:.] ?(.*)", re.IGNORECASE)

Cells = list[list[str]]  # of each house


def write_table(table: Values) -> str:
    """Return a table as a JSON object of houses.

    >>> write_table((("Name", ("Eric", "Bob")), ("Pet", ("cat", "dog"))))
    '{"House 1":{"Name":"Eric","Pet":"cat"},"House 2":{"Name":"Bob","Pet":"dog"}}'
    """
    houses = {
        f"House {house + 1}": {name: values[house] for name, values in table}
        for house in range(len(table[0][1]))
    }
    return json.dumps(houses, ensure_ascii=False, separators=(",", ":"))


def read_cells(answer: str, names: Sequence[str], num_houses: int) -> Cells | None:
    """Return the cells of each house that an answer has; None if it is no table of this shape.

    Args:
        answer: JSON, an object of houses that may be in a fence or under the key "solution", or
            rows, with bars or commas between cells.
        names: Of the attributes, in the order of the cells.
        num_houses: Of the rows.
    """
    if len(answer) > MAX_TABLE:
        return None
    text = answer.strip()
    if text.startswith(FENCE) and text.endswith(FENCE):
        text = text[len(FENCE) : -len(FENCE)].removeprefix("json").strip()
    if text.startswith("{"):
        return read_object(text, names, num_houses)
    return read_lines(text, names, num_houses)


def read_object(text: str, names: Sequence[str], num_houses: int) -> Cells | None:
    """Return the cells of a JSON object of houses."""
    try:
        found = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict) and set(found) in ({"solution"}, {"reasoning", "solution"}):
        found = found["solution"]
    houses = lowered(found, [f"house {house + 1}" for house in range(num_houses)])
    rows = houses and [lowered(house, [name.lower() for name in names]) for house in houses]
    if not rows or not all(row and all(isinstance(cell, str) for cell in row) for row in rows):
        return None
    return [row for row in rows if row is not None]


def lowered(found: object, keys: Sequence[str]) -> list[Any] | None:
    """Return the values of an object in the order of `keys`; None if its keys are others."""
    if not isinstance(found, dict):
        return None
    values = {" ".join(key.lower().split()): value for key, value in found.items()}
    if len(values) != len(found) or set(values) != set(keys):
        return None
    return [values[key] for key in keys]


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; ValueError if a key occurs twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object must have different keys")
    return found


def read_lines(text: str, names: Sequence[str], num_houses: int) -> Cells | None:
    """Return the cells of rows, under a header or not, with the number of the house or not."""
    rows = [split_row(line) for line in re.split("[;\n]", text) if line.strip()]
    rows = [row for row in rows if not all(map(RULE.fullmatch, row))]
    lower = [name.lower() for name in names]
    if rows and [cell.lower() for cell in rows[0]] in (lower, ["house", *lower]):
        del rows[0]
    if len(rows) != num_houses:
        return None
    cells = [without_number(row, house, len(names)) for house, row in enumerate(rows, start=1)]
    return [row for row in cells if row is not None] if None not in cells else None


def split_row(line: str) -> list[str]:
    """Return the cells of a line."""
    bare = line.strip().strip("|")
    return [cell.strip() for cell in bare.split("|" if "|" in bare else ",")]


def without_number(row: list[str], house: int, count: int) -> list[str] | None:
    """Return the cells of a row without its number; None if that is of another house."""
    if len(row) == count + 1:
        number = HOUSE.fullmatch(row[0])
        return row[1:] if number is not None and int(number[1]) == house else None
    if len(row) != count:
        return None
    number = NUMBERED.fullmatch(row[0])
    if number is None:
        return row
    return [number[2], *row[1:]] if int(number[1]) == house else None
