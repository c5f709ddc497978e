"""Decide whether two expressions are equal wherever both are defined."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from edgewise.grading.evaluate import Point, TooLarge, Undefined, ball, evaluate, precision
from edgewise.grading.tree import (
    INFINITY,
    MINUS_INFINITY,
    Node,
    difference,
    has_infinity,
    key,
    number,
    symbols_of,
    walk,
)

FEW_BITS, MANY_BITS, MOST_BITS = 128, 1_024, 16_384
LEAST_POINTS = 3  # at which both are defined
DENOMINATOR = 1009
RANGES = (  # of the values of variables: how large, and of which signs
    ((0.3, 3), (1,)),
    ((0.3, 3), (-1,)),
    ((20, 200), (1,)),
    ((20, 200), (-1,)),
    ((0.003, 0.3), (1, -1)),
    ((0.3, 9), (1, -1)),
    ((0.3, 9), (-1, 1)),
)


TWO = number(2)
REAL = frozenset({"absolute", "floor", "ceiling", "max", "min", "gcd", "lcm"})


def same_expression(left: Node, right: Node) -> bool:
    """Decide whether two expressions are equal wherever both are defined.

    Numbers that are rational are compared exactly, others to as many bits as their size asks for.
    Expressions in variables are compared at random points of both signs, large and small, and at
    complex ones unless an operation of real numbers occurs. What cannot be decided is not equal.

    Raises:
        TooLarge: If a value is too large to be calculated here.
    """
    if left == right:
        return True
    if has_infinity(left) or has_infinity(right):
        return key(left) == key(right)
    decided = 0
    for point in points(left, right):
        verdict = same_at(left, right, point)
        if verdict is False:
            return False
        decided += verdict is True
    return decided >= (LEAST_POINTS if symbols_of(left) | symbols_of(right) else 1)


def points(left: Node, right: Node) -> Iterator[Point]:
    """Yield the sample points to compare two expressions at, deterministic for the same pair."""
    names = sorted(symbols_of(left) | symbols_of(right))
    if not names:
        yield {}
        return
    rng = random.Random("\n".join(sorted((key(left), key(right)))))

    def draw(size: tuple[float, float], signs: tuple[int, ...]) -> Fraction:
        whole = rng.randint(int(size[0] * DENOMINATOR), int(size[1] * DENOMINATOR))
        return rng.choice(signs) * Fraction(whole, DENOMINATOR)

    for size, signs in RANGES:
        yield {name: draw(size, signs) for name in names}
    if not any(is_real(node) for side in (left, right) for node in walk(side)):
        for size, signs in RANGES[1:2] * 2:
            yield {name: (draw(size, signs), draw(size, signs)) for name in names}


def is_real(node: Node) -> bool:
    """Check whether an operation is defined for real numbers only."""
    if node.op == "call":
        return node.args[0] in REAL or (node.args[0] == "root" and node.args[2] != TWO)
    return (
        node.op == "power" and node.args[1].op == "number" and node.args[1].args[0].denominator > 2
    )


def same_at(left: Node, right: Node, point: Point) -> bool | None:
    """Compare two expressions at a point; None if one is undefined there."""
    return decide(lambda: [evaluate(left, point), evaluate(right, point)], left, right)


def decide(values: Callable[[], list[Any]], *nodes: Node) -> bool | None:
    """Compare two `values` of `nodes` at increasing precision; None if undecided."""
    try:
        if all(map(is_rational, nodes)):
            one, other = values()
            if isinstance(one, Fraction) and isinstance(other, Fraction):
                return one == other
        size = sum(map(size_of, nodes))
        for bits in (FEW_BITS, min(MOST_BITS, MANY_BITS + 8 * size)):
            with precision(bits):
                one, other = values()
                if isinstance(one, Fraction) and isinstance(other, Fraction):
                    return one == other
                one, other = ball(one), ball(other)
                gap = one - other
                if not gap.is_finite():
                    return None
                if not gap.contains(0):
                    return False
                is_narrow = bool(abs(gap) < (1 + abs(one)) * arb_power(-bits // 4))
    except Undefined:
        return None
    return True if is_narrow else None


def arb_power(exponent: int) -> Any:
    """Return a power of 2 as a ball."""
    import flint

    return flint.arb(2) ** exponent


def is_rational(node: Node) -> bool:
    """Check whether an expression is a rational function of its variables."""
    if node.op in ("sum", "product", "quotient"):
        return all(map(is_rational, node.args))
    if node.op == "power":
        base, exponent = node.args
        return exponent.op == "number" and exponent.args[0].denominator == 1 and is_rational(base)
    return node.op in ("number", "symbol")


def size_of(node: Node) -> int:
    """Count the bits of the numbers in an expression."""
    numbers = (part.args[0] for part in walk(node) if part.op == "number")
    return sum(n.numerator.bit_length() + n.denominator.bit_length() for n in numbers)


def are_proportional(left: Node, right: Node, positive: bool = False) -> bool:
    """Check whether one expression is a constant multiple of the other, a positive one if `positive`.

    Neither is zero everywhere.
    """
    if has_infinity(left) or has_infinity(right):
        return False
    first: Point | None = None
    decided = 0
    for point in points(left, right):
        if first is None:
            if sign_at(left, point) and sign_at(right, point):
                first = point
                if positive and sign_at(left, point) != sign_at(right, point):
                    return False
            continue
        verdict = decide(lambda: cross_products(left, right, first or {}, point), left, right)  # noqa: B023
        if verdict is False:
            return False
        decided += verdict is True
    return decided >= LEAST_POINTS - 1


def cross_products(left: Node, right: Node, first: Point, point: Point) -> list[Any]:
    """Return the two cross products that are equal if the quotient is the same at both points."""
    values = [evaluate(side, at) for side in (left, right) for at in (first, point)]
    if not all(isinstance(value, Fraction) for value in values):
        values = list(map(ball, values))
    return [values[0] * values[3], values[1] * values[2]]


def sign_at(node: Node, point: Point) -> int:
    """Return the sign of a value at a point (of its real part if complex), 0 if undecided."""
    try:
        if is_rational(node):
            value = evaluate(node, point)
            if isinstance(value, Fraction):
                return (value > 0) - (value < 0)
        for bits in (FEW_BITS, MANY_BITS):
            with precision(bits):
                real = ball(evaluate(node, point)).real
                if not real.contains(0):
                    return 1 if real > 0 else -1
    except Undefined:
        pass
    return 0


def order(left: Node, right: Node) -> int:
    """Compare two real numbers: -1, 0 or 1.

    Raises:
        Undefined: If that is not decided, or one is not real.
    """
    for first, second, sign in ((left, right, 1), (right, left, -1)):
        if is_infinite(first):
            return 0 if key(first) == key(second) else sign if first == INFINITY else -sign
    gap = difference(left, right)
    if not is_real_number(left) or not is_real_number(right):
        raise Undefined("not real")
    if sign := sign_at(gap, {}):
        return sign
    if same_expression(left, right):
        return 0
    raise Undefined("too near")


def is_infinite(node: Node) -> bool:
    """Check whether a node is plus or minus infinity."""
    return node in (INFINITY, MINUS_INFINITY)


def is_real_number(node: Node) -> bool:
    """Check whether an expression is a real number or infinite."""
    if is_infinite(node):
        return True
    if symbols_of(node) or has_infinity(node):
        return False
    if is_rational(node):
        return True
    try:
        with precision(FEW_BITS):
            value = ball(evaluate(node, {}))
            return bool(value.is_finite() and value.imag.contains(0))
    except (Undefined, TooLarge):
        return False


def is_defined(node: Node) -> bool:
    """Check whether an expression is defined, somewhere if it has variables."""
    if node.op == "number" or is_infinite(node):
        return True
    if has_infinity(node):
        return False
    for point in points(node, node):
        try:
            if is_rational(node):
                evaluate(node, point)
                return True
            with precision(FEW_BITS):
                if ball(evaluate(node, point)).is_finite():
                    return True
        except Undefined:
            continue
    return False
