"""The types of answers."""

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
    """A number of per cent."""

    node: Node


@dataclass(frozen=True)
class Quantity:
    """A number with a unit: of measure, money, degrees or things."""

    node: Node
    unit: Unit
    is_known: bool = True  # not just a word


@dataclass(frozen=True)
class Numeral:
    """Digits in a stated base."""

    digits: str  # without zeros that say nothing
    base: int


@dataclass(frozen=True)
class Clock:
    """A time of day."""

    hours: int
    minutes: int
    seconds: int
    half: str  # "am", "pm" or ""


@dataclass(frozen=True)
class Date:
    """A day, with or without its year."""

    month: int
    day: int
    year: int | None = None


@dataclass(frozen=True)
class Ratio:
    """A ratio, as 3:4."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Approximation:
    r"""An approximate value, as \approx 3."""

    value: Value


@dataclass(frozen=True)
class Named:
    """A name with its value, as x = 3."""

    name: str
    value: Value


@dataclass(frozen=True)
class Record:
    """Several names with their values, in order."""

    names: tuple[str, ...]
    values: tuple[Value, ...]
    in_brackets: bool = False  # as (x, y) = (1, 2)


@dataclass(frozen=True)
class Function:
    """A function of variables."""

    parameters: tuple[str, ...]
    node: Node
    name: str = ""


@dataclass(frozen=True)
class Relation:
    """An equation or inequality in variables, as a difference compared with 0."""

    sign: str  # "=", "<", "\\le" or "\\ne"
    node: Node


@dataclass(frozen=True)
class Chain:
    """A chain of inequalities, ascending."""

    nodes: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Tuple:
    """An ordered tuple in brackets: a point, a vector or an interval."""

    brackets: str
    items: tuple[Value, ...]


@dataclass(frozen=True)
class Piece:
    """An interval of the real line."""

    low: Node
    high: Node
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True)
class RealSet:
    """A set of real numbers: sorted disjoint intervals."""

    pieces: tuple[Piece, ...]
    name: str = ""  # of the variable that is in it, if it is named


@dataclass(frozen=True)
class NumberSet:
    """The integers, rationals, naturals or complex numbers."""

    name: str


@dataclass(frozen=True)
class Collection:
    """An unordered list or set of values, ± included."""

    items: tuple[Value, ...]
    name: str = ""  # of the variable that has these values, if it is named


@dataclass(frozen=True)
class Matrix:
    """A matrix of expressions, row by row."""

    columns: int
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Piecewise:
    """Expressions with their conditions."""

    cases: tuple[tuple[Value, Value], ...]


@dataclass(frozen=True)
class Letter:
    """The letter of a choice."""

    letter: str


@dataclass(frozen=True)
class Words:
    """A text without mathematics."""

    text: str


Value: TypeAlias = Expression | Percentage | Quantity | Numeral | Clock | Date | Ratio | Approximation | Named | Record | Function | Relation | Chain | Tuple | RealSet | NumberSet | Collection | Matrix | Piecewise | Letter | Words  # fmt: skip
