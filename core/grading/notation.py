"""Commands and constants of expressions, and predicates for the parser."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.grading.tokens import Token
from edgewise.grading.tree import Node, call
from edgewise.grading.vocabulary import FUNCTIONS, GREEK

LETTERS = frozenset(rf"\{name}" for name in GREEK) | {
    r"\hbar", r"\ell", r"\angle", r"\triangle", r"\nabla", r"\partial", r"\Re", r"\Im",
}  # fmt: skip
CALLED = frozenset(rf"\{name}" for name in FUNCTIONS.values())
INVERSE = {
    "sin": "arcsin", "cos": "arccos", "tan": "arctan", "sinh": "arcsinh", "cosh": "arccosh",
    "tanh": "arctanh",
}  # fmt: skip
LISTS = frozenset({"max", "min", "gcd", "lcm"})
ACCENTS = frozenset({
    r"\dot", r"\ddot", r"\overline", r"\bar", r"\hat", r"\tilde", r"\overrightarrow", r"\widehat",
})  # fmt: skip
ROUNDED = {r"\lfloor": (r"\rfloor", "floor"), r"\lceil": (r"\rceil", "ceiling")}
SERIES = frozenset({r"\sum", r"\prod"})
MATRICES = frozenset({"pmatrix", "bmatrix", "matrix", "array", "smallmatrix", "Bmatrix"})
BEGINS = (
    LETTERS | CALLED | ACCENTS | ROUNDED.keys() | SERIES
    | {r"\frac", r"\sqrt", r"\binom", r"\pi", "(", "{", "[", "|"}
    | {rf"\begin{{{name}}}" for name in MATRICES | {"vmatrix"}}
)  # fmt: skip
CLOSED_BY = {"(": ")", "[": "]", "{": "}", r"\{": r"\}"}
CONSTANTS = {"e": Node("constant", ("e",)), "i": Node("constant", ("i",))}
PI = Node("constant", ("pi",))


def absolute(node: Node) -> Node:
    """Build an absolute value, or the determinant of a matrix."""
    return call("determinant" if node.op == "matrix" else "absolute", node)


def is_numeric(node: Node) -> bool:
    """Check whether tokens are numbers and arithmetic signs only."""
    if node.op in ("sum", "product", "quotient", "power"):
        return all(map(is_numeric, node.args))
    return node.op == "number"


def is_differential(tokens: Sequence[Token]) -> bool:
    """Check whether a group is a differential: {d x}, {d^2 y}."""
    texts = [token.text for token in tokens]
    if texts[:1] != ["{"] or texts[1:2] not in (["d"], [r"\partial"]) or len(texts) < 4:
        return False
    return tokens[2].kind in ("letter", "command") or texts[2] == "^"
