"""Expression trees."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

MAX_DIGITS = 400  # of a number
MAX_EXPONENT = 20_000
NUMBER = re.compile(r"([0-9]*)(?:\.([0-9]*))?(?:\(([0-9]+)\))?(?:[eE]([-+]?[0-9]+))?")


class Node(NamedTuple):
    """An operation with its arguments.

    op: args
    number: a Fraction; constant: "pi", "e", "i" or "infinity"; symbol: a name; sum, product: nodes;
    quotient, power: two nodes; call: the name of a function and nodes; matrix: tuples of nodes.
    """

    op: str
    args: tuple[Any, ...]


def number(value: Fraction | int) -> Node:
    """Build an exact number."""
    return Node("number", (Fraction(value),))


ZERO, ONE, MINUS_ONE = number(0), number(1), number(-1)
INFINITY = Node("constant", ("infinity",))
MINUS_INFINITY = Node("product", (MINUS_ONE, INFINITY))


def symbol(name: str) -> Node:
    """Build a variable."""
    return Node("symbol", (name,))


def call(name: str, *args: Node) -> Node:
    """Build a function call."""
    return Node("call", (name, *args))


def negate(node: Node) -> Node:
    """Build the negative of a node."""
    return number(-node.args[0]) if node.op == "number" else Node("product", (MINUS_ONE, node))


def quotient(top: Node, bottom: Node) -> Node:
    """Build a quotient, folded if both are numbers."""
    if top.op == bottom.op == "number" and bottom.args[0] != 0:
        return number(top.args[0] / bottom.args[0])
    return Node("quotient", (top, bottom))


def difference(left: Node, right: Node) -> Node:
    """Build left - right."""
    return Node("sum", (left, negate(right)))


def value_of(text: str) -> Fraction:
    """Parse the text of a number token: 12, 0.5, .1(6), 3e-5.

    Raises:
        ValueError: If it is no such number, or too large.
    """
    match = NUMBER.fullmatch(text)
    if match is None or not (match[1] or match[2] or match[3]) or len(text) > MAX_DIGITS:
        raise ValueError(f"{text[:20]!r} is no number")
    whole, part, block, power = match[1], match[2] or "", match[3], int(match[4] or 0)
    if abs(power) > MAX_EXPONENT:
        raise ValueError("too large an exponent")
    value = Fraction(int(whole + part or "0"), 10 ** len(part))
    if block:
        value += Fraction(int(block), (10 ** len(block) - 1) * 10 ** len(part))
    return value * Fraction(10) ** power if power else value


def walk(node: Node) -> list[Node]:
    """Yield `node` and all its descendants."""
    found, waiting = [], [node]
    while waiting:
        found.append(node := waiting.pop())
        waiting += [arg for arg in node.args if isinstance(arg, Node)]
    return found


def symbols_of(node: Node) -> frozenset[str]:
    """Return the names of the variables in a tree."""
    return frozenset(part.args[0] for part in walk(node) if part.op == "symbol")


def has_infinity(node: Node) -> bool:
    """Check whether infinity occurs in a tree."""
    return INFINITY in walk(node)


def substitute(node: Node, values: Mapping[str, Node]) -> Node:
    """Replace variables by nodes."""
    return rebuild(
        node, lambda part: values.get(part.args[0], part) if part.op == "symbol" else part
    )


def rebuild(node: Node, change: Callable[[Node], Node]) -> Node:
    """Apply a function to every node, bottom up."""
    if any(isinstance(arg, Node) for arg in node.args):
        args = tuple(rebuild(arg, change) if isinstance(arg, Node) else arg for arg in node.args)
        node = Node(node.op, args)
    return change(node)


def key(node: Node) -> str:
    """Serialise a tree, independent of the order of sums and products."""
    if node.op == "number":
        return f"{node.args[0].numerator:x}/{node.args[0].denominator:x}"  # of any size
    parts = [key(arg) if isinstance(arg, Node) else str(arg) for arg in node.args]
    if node.op in ("sum", "product"):
        parts = sorted(parts)
    return parts[0] if node.op == "symbol" else f"{node.op}({','.join(parts)})"
