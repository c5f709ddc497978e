"""Sets of real numbers, as disjoint pieces of the line."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key

from edgewise.grading.expressions import is_endless, order
from edgewise.grading.tree import INFINITY, MINUS_INFINITY, Node
from edgewise.grading.values import Piece

Pieces = tuple[Piece, ...]
LINE: Pieces = (Piece(MINUS_INFINITY, INFINITY, False, False),)
MAX_PIECES = 50


def piece(low: Node, high: Node, low_closed: bool, high_closed: bool) -> Pieces:
    """Return the numbers between two ends, none if there are none.

    Raises:
        Undefined: If the ends are no real numbers.
    """
    sign = order(low, high)
    if sign > 0 or (sign == 0 and not (low_closed and high_closed)):
        return ()
    return (
        Piece(low, high, low_closed and not is_endless(low), high_closed and not is_endless(high)),
    )


def point(node: Node) -> Pieces:
    """Return the set of one number."""
    return piece(node, node, True, True)


def union(*parts: Iterable[Piece]) -> Pieces:
    """Return the pieces of a union, in order and without what touches."""
    pieces = [one for part in parts for one in part]
    if len(pieces) > MAX_PIECES:
        raise ValueError("too many pieces")
    pieces.sort(key=cmp_to_key(begins_before))
    merged: list[Piece] = []
    for one in pieces:
        if merged and touches(merged[-1], one):
            merged[-1] = joined(merged[-1], one)
        else:
            merged.append(one)
    return tuple(merged)


def begins_before(left: Piece, right: Piece) -> int:
    """Return the order of two pieces by their lower ends; a closed end is before an open one."""
    return order(left.low, right.low) or right.low_closed - left.low_closed


def touches(left: Piece, right: Piece) -> bool:
    """Return whether there is no gap between a piece and one that begins after it."""
    sign = order(left.high, right.low)
    return sign > 0 or (sign == 0 and (left.high_closed or right.low_closed))


def joined(left: Piece, right: Piece) -> Piece:
    """Return two pieces that touch as one."""
    sign = order(left.high, right.high)
    high = left if sign > 0 else right
    closed = (left.high_closed or right.high_closed) if sign == 0 else high.high_closed
    return Piece(left.low, high.high, left.low_closed, closed)


def complement(pieces: Pieces) -> Pieces:
    """Return all other real numbers."""
    found: list[Piece] = []
    low, closed = MINUS_INFINITY, False
    for one in pieces:
        found += piece(low, one.low, closed, not one.low_closed and not is_endless(one.low))
        low, closed = one.high, not one.high_closed
    return (*found, *piece(low, INFINITY, closed, False))


def intersection(left: Pieces, right: Pieces) -> Pieces:
    """Return what is in both."""
    return complement(union(complement(left), complement(right)))


def half_line(sign: str, bound: Node) -> Pieces:
    """Return the numbers x with x < bound, x > bound, x ≤ bound, x ≥ bound or x ≠ bound."""
    if sign == r"\ne":
        return complement(point(bound))
    if sign in ("<", r"\le"):
        return piece(MINUS_INFINITY, bound, False, sign == r"\le")
    return piece(bound, INFINITY, sign == r"\ge", False)
