"""Matrix arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.grading.expressions import is_defined
from edgewise.grading.tokens import Unreadable
from edgewise.grading.tree import ONE, Node, walk
from edgewise.grading.values import Expression, Matrix, Value

__all__ = ["evaluate", "walk"]


def evaluate(node: Node) -> Value:
    """Evaluate an expression with matrices to a matrix or a number."""
    value = reduce(node)
    if value.op == "matrix":
        columns, *nodes = value.args
        if not all(map(is_defined, nodes)):
            raise Unreadable("not defined")
        return Matrix(columns, tuple(nodes))
    if not is_defined(value):
        raise Unreadable("not defined")
    return Expression(value)


def from_rows(rows: Sequence[Sequence[Value]]) -> Matrix:
    """Build a matrix from rows such as [[1, 2], [3, 4]]."""
    nodes = [item.node for row in rows for item in row if isinstance(item, Expression)]
    if len({len(row) for row in rows}) != 1 or len(nodes) != sum(map(len, rows)):
        raise Unreadable("no rows of expressions")
    return Matrix(len(rows[0]), tuple(nodes))


def reduce(node: Node) -> Node:
    """Fold matrix operations into one matrix node or one expression."""
    if node.op == "matrix" or not any(part.op == "matrix" for part in walk(node)):
        return node
    if node.op == "call" and node.args[0] == "determinant":
        return node
    if node.op not in ("sum", "product", "quotient"):
        raise Unreadable("an operation on a matrix")
    parts = [reduce(arg) for arg in node.args]
    total = parts[0]
    for part in parts[1:]:
        total = combined(node.op, total, part)
    return total


def combined(op: str, left: Node, right: Node) -> Node:
    """Add, multiply or divide two nodes, at least one of them a matrix."""
    kinds = left.op == "matrix", right.op == "matrix"
    if kinds == (False, False):
        return Node(op, (left, right))
    shapes = [(node.args[0], len(node.args)) for node in (left, right)]
    if op == "sum" and kinds == (True, True) and shapes[0] == shapes[1]:
        pairs = zip(left.args[1:], right.args[1:], strict=True)
        return Node("matrix", (left.args[0], *(Node("sum", pair) for pair in pairs)))
    if op == "product" and kinds == (True, True):
        return multiplied(left, right)
    if op == "product" or (op == "quotient" and kinds == (True, False)):
        matrix, scalar = (left, right) if kinds[0] else (right, left)
        factor = scalar if op == "product" else Node("quotient", (ONE, scalar))
        entries = (Node("product", (factor, entry)) for entry in matrix.args[1:])
        return Node("matrix", (matrix.args[0], *entries))
    raise Unreadable("an operation on a matrix")


def multiplied(left: Node, right: Node) -> Node:
    """Multiply two matrices."""
    inner, *ones = left.args
    columns, *others = right.args
    if inner * columns != len(others):
        raise Unreadable("shapes that do not match")
    entries = (
        Node("sum", tuple(
            Node("product", (ones[i + k], others[k * columns + j])) for k in range(inner)
        ))
        for i in range(0, len(ones), inner)
        for j in range(columns)
    )  # fmt: skip
    return Node("matrix", (columns, *entries))
