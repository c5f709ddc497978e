"""What an answer may be: one type for each kind of meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from edgewise.grading.tree import Node

Unit: TypeAlias = tuple[tuple[str, int], ...]  # names with their powers, sorted


@dataclass(frozen=True)
class Expression:
    """A number, or an expression in variables."""

    node: Node


@dataclass(frozen=True)
class Percentage:
    """So many per cent."""

    node: Node


@dataclass(frozen=True)
class Quantity:
    """A number of units, of dollars, degrees or things among them."""

    node: Node
    unit: Unit
    is_known: bool = True  # not just a word


@dataclass(frozen=True)
class Numeral:
    """Digits in a base."""

    digits: str  # without zeros that say nothing
    base: int


@dataclass(frozen=True)
class Clock:
    """A time of the day."""

    hours: int
    minutes: int
    seconds: int
    half: str  # "am", "pm" or ""


@dataclass(frozen=True)
class Date:
    """A day of the year."""

    month: int
    day: int
    year: int | None = None


@dataclass(frozen=True)
class Ratio:
    """Numbers to each other, as 3:4."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Approximation:
    """What is said to be about so much."""

    value: Value


@dataclass(frozen=True)
class Named:
    """What a variable is, as x = 3."""

    name: str
    value: Value


@dataclass(frozen=True)
class Record:
    """What several variables are, in their order."""

    names: tuple[str, ...]
    values: tuple[Value, ...]
    in_brackets: bool = False  # as (x, y) = (1, 2)


@dataclass(frozen=True)
class Function:
    """What a function of variables is."""

    parameters: tuple[str, ...]
    node: Node
    name: str = ""


@dataclass(frozen=True)
class Relation:
    """An equation, or an inequality that is no set of numbers: a difference that is 0, < 0, ..."""

    sign: str  # "=", "<", "\\le" or "\\ne"
    node: Node


@dataclass(frozen=True)
class Chain:
    """Expressions in ascending order."""

    nodes: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Tuple:
    """Values in their order, in brackets: a point, a vector or, of two numbers, an interval."""

    brackets: str
    items: tuple[Value, ...]


@dataclass(frozen=True)
class Piece:
    """The numbers between two ends."""

    low: Node
    high: Node
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True)
class RealSet:
    """Disjoint pieces of the real line, in ascending order."""

    pieces: tuple[Piece, ...]
    name: str = ""  # of the variable that is in it, if it is named


@dataclass(frozen=True)
class NumberSet:
    """All integers, rationals, naturals or complex numbers."""

    name: str


@dataclass(frozen=True)
class Collection:
    """Values in no order: a list, a set, the values of ±."""

    items: tuple[Value, ...]
    name: str = ""  # of the variable that has these values, if it is named


@dataclass(frozen=True)
class Matrix:
    """Rows of expressions."""

    columns: int
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Piecewise:
    """Expressions with the conditions under which they hold."""

    cases: tuple[tuple[Value, Value], ...]


@dataclass(frozen=True)
class Letter:
    """The letter of a choice."""

    letter: str


@dataclass(frozen=True)
class Words:
    """A text that is no mathematics."""

    text: str


Value: TypeAlias = Expression | Percentage | Quantity | Numeral | Clock | Date | Ratio | Approximation | Named | Record | Function | Relation | Chain | Tuple | RealSet | NumberSet | Collection | Matrix | Piecewise | Letter | Words  # fmt: skip
