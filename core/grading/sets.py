"""Sets of real numbers as sorted disjoint intervals."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key

from edgewise.grading.expressions import is_infinite, order
from edgewise.grading.tree import INFINITY, MINUS_INFINITY, Node
from edgewise.grading.values import Piece

Pieces = tuple[Piece, ...]
LINE: Pieces = (Piece(MINUS_INFINITY, INFINITY, False, False),)
MAX_PIECES = 50


def piece(low: Node, high: Node, low_closed: bool, high_closed: bool) -> Pieces:
    """Build an interval, empty if its ends are reversed.

    Raises:
        Undefined: If the ends are no real numbers.
    """
    sign = order(low, high)
    if sign > 0 or (sign == 0 and not (low_closed and high_closed)):
        return ()
    return (
        Piece(
            low, high, low_closed and not is_infinite(low), high_closed and not is_infinite(high)
        ),
    )


def point(node: Node) -> Pieces:
    """Build the set of one number."""
    return piece(node, node, True, True)


def union(*parts: Iterable[Piece]) -> Pieces:
    """Merge intervals into sorted disjoint ones."""
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
    """Order two intervals by their lower ends, closed before open."""
    return order(left.low, right.low) or right.low_closed - left.low_closed


def touches(left: Piece, right: Piece) -> bool:
    """Check whether an interval and a later one leave no gap."""
    sign = order(left.high, right.low)
    return sign > 0 or (sign == 0 and (left.high_closed or right.low_closed))


def joined(left: Piece, right: Piece) -> Piece:
    """Merge two intervals that touch."""
    sign = order(left.high, right.high)
    high = left if sign > 0 else right
    closed = (left.high_closed or right.high_closed) if sign == 0 else high.high_closed
    return Piece(left.low, high.high, left.low_closed, closed)


def complement(pieces: Pieces) -> Pieces:
    """Return the complement in the real line."""
    found: list[Piece] = []
    low, closed = MINUS_INFINITY, False
    for one in pieces:
        found += piece(low, one.low, closed, not one.low_closed and not is_infinite(one.low))
        low, closed = one.high, not one.high_closed
    return (*found, *piece(low, INFINITY, closed, False))


def intersection(left: Pieces, right: Pieces) -> Pieces:
    """Return the intersection."""
    return complement(union(complement(left), complement(right)))


def half_line(sign: str, bound: Node) -> Pieces:
    """Return the solution of x < bound, x > bound, x ≤ bound, x ≥ bound or x ≠ bound."""
    if sign == r"\ne":
        return complement(point(bound))
    if sign in ("<", r"\le"):
        return piece(MINUS_INFINITY, bound, False, sign == r"\le")
    return piece(bound, INFINITY, sign == r"\ge", False)
