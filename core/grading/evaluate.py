"""Evaluate expressions at a point: exactly if rational, else in ball arithmetic."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from edgewise.grading.tree import Node
from edgewise.registration import require

Value = Any  # a Fraction, or a complex ball of flint: a midpoint with a radius
Point = Mapping[str, Fraction | tuple[Fraction, Fraction]]

MAX_FACTORIAL = 10_000
MAX_ORDER = 6  # of a determinant


class Undefined(ArithmeticError):
    """The expression has no value at this point, or its error bounds do not decide it."""


class TooLarge(ArithmeticError):
    """A number is too large to be calculated exactly here."""


class Budget:
    """Limits on the bits of exact numbers: lower in the caller's process than in a worker."""

    bits = 20_000
    most = 400_000


def size_error(bits: int) -> ArithmeticError:
    """Create the exception for a number of `bits`: TooLarge only if a worker may calculate it."""
    return TooLarge("too large here") if bits <= Budget.most else Undefined("too large anywhere")


lock = threading.RLock()  # the precision of flint is one for all threads


def fresh_lock() -> None:
    """Replace the lock after a fork: the thread that held it does not exist in the child."""
    global lock
    lock = threading.RLock()


os.register_at_fork(after_in_child=fresh_lock)


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Set the working precision in bits, for this thread."""
    require("math")
    import flint

    with lock:
        before, flint.ctx.prec = flint.ctx.prec, bits
        try:
            yield
        finally:
            flint.ctx.prec = before


def ball(value: Value) -> Any:
    """Convert a value to a complex ball."""
    import flint

    if not isinstance(value, Fraction):
        return value
    return flint.acb(flint.fmpq(value.numerator, value.denominator))


def evaluate(node: Node, point: Point) -> Value:
    """Evaluate an expression at `point`, a value for each variable.

    Raises:
        Undefined: If it has none.
        TooLarge: If it is too large here, and may not be for a worker.
    """
    op, args = node
    if op == "number":
        value: Value = args[0]
        return value
    if op == "symbol":
        at = point[args[0]]
        return at if isinstance(at, Fraction) else complex_ball(*at)
    if op == "constant":
        return constant(args[0])
    if op == "call":
        if args[0] == "determinant":
            return determinant(args[1], point)
        return FUNCTIONS[args[0]](*(evaluate(arg, point) for arg in args[1:]))
    if op == "matrix":
        raise Undefined("a matrix is no number")
    values = [evaluate(arg, point) for arg in args]
    if op == "sum":
        return fold(values, lambda a, b: a + b)
    if op == "product":
        return fold(values, lambda a, b: a * b)
    return (divide if op == "quotient" else power)(*values)


def complex_ball(real: Fraction, imaginary: Fraction) -> Any:
    """Convert an exact complex number to a ball."""
    import flint

    parts = (flint.fmpq(part.numerator, part.denominator) for part in (real, imaginary))
    return flint.acb(*parts)


def constant(name: str) -> Value:
    """Return pi, e or i."""
    if name == "infinity":
        raise Undefined("infinity is no number")
    require("math")
    import flint

    if name == "pi":
        return flint.acb.pi()
    return flint.acb(1).exp() if name == "e" else flint.acb(0, 1)


def fold(values: Sequence[Value], join: Callable[[Value, Value], Value]) -> Value:
    """Sum or multiply values, exactly while all are exact."""
    total = values[0]
    for value in values[1:]:
        if isinstance(total, Fraction) and isinstance(value, Fraction):
            total = within_size(join(total, value))
        else:
            total = join(ball(total), ball(value))
    return total


def within_size(value: Fraction) -> Fraction:
    """Return the number unless it exceeds the size limit."""
    bits = value.numerator.bit_length() + value.denominator.bit_length()
    if bits > Budget.bits:
        raise size_error(bits)
    return value


def divide(top: Value, bottom: Value) -> Value:
    """Divide, exactly if both are exact."""
    if isinstance(bottom, Fraction):
        if bottom == 0:
            raise Undefined("division by zero")
        return top / bottom if isinstance(top, Fraction) else top / ball(bottom)
    if bottom.contains(0):
        raise Undefined("division by what may be zero")
    return ball(top) / bottom


def power(base: Value, exponent: Value) -> Value:
    """Raise to a power; an odd root of a negative number is the real one."""
    if not isinstance(exponent, Fraction):
        if (not isinstance(base, Fraction) and base.contains(0)) or base == 0:
            raise Undefined("a power of zero")
        return ball(base) ** exponent
    if exponent.denominator == 1:
        return whole_power(base, exponent.numerator)
    if isinstance(base, Fraction):
        if base == 0:
            if exponent < 0:
                raise Undefined("division by zero")
            return base
        negative = base < 0
    else:
        negative = bool(base.imag.is_zero() and base.real < 0)
    if negative and exponent.denominator % 2:
        size = ball(-base) ** ball(exponent)
        return -size if exponent.numerator % 2 else size
    return ball(base).sqrt() if exponent == Fraction(1, 2) else ball(base) ** ball(exponent)


def whole_power(base: Value, exponent: int) -> Value:
    """Raise to an integer power."""
    if isinstance(base, Fraction):
        if base == 0 and exponent <= 0:
            raise Undefined("a power of zero")
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if size * abs(exponent) > Budget.bits and abs(base) not in (0, 1):
            raise size_error(size * abs(exponent))
        return base if base == 1 else Fraction(base ** (exponent if base != -1 else exponent % 2))
    if abs(exponent) > Budget.bits:
        raise size_error(abs(exponent))
    if exponent < 0 and base.contains(0):
        raise Undefined("a power of zero")
    return base**exponent


def real_part(value: Value) -> Any:
    """Convert a real value to a real ball."""
    value = ball(value)
    if not value.imag.contains(0):
        raise Undefined("not real")
    return value.real


def absolute(value: Value) -> Value:
    """Return the absolute value."""
    import flint

    return abs(value) if isinstance(value, Fraction) else flint.acb(abs(value))


def floor(value: Value) -> Value:
    """Round down to an integer."""
    if isinstance(value, Fraction):
        return Fraction(math.floor(value))
    whole = real_part(value).floor().unique_fmpz()
    if whole is None:
        raise Undefined("the bounds hold a whole number")
    return Fraction(int(whole))


def factorial(value: Value) -> Value:
    """Compute a factorial, through the gamma function unless the argument is an integer."""
    if isinstance(value, Fraction) and value.denominator == 1:
        if value < 0:
            raise Undefined("the factorial of a negative number")
        if value > MAX_FACTORIAL:
            raise Undefined("too large anywhere")
        return within_size(Fraction(math.factorial(int(value))))
    argument = ball(value) + 1
    if not abs(argument) < MAX_FACTORIAL:
        raise Undefined("too large anywhere")
    return finite(argument.gamma())


def binomial(n: Value, k: Value) -> Value:
    """Compute a binomial coefficient, through the gamma function unless the arguments are integers."""
    if all(isinstance(part, Fraction) and part.denominator == 1 for part in (n, k)):
        if not 0 <= k <= n:
            raise Undefined("no binomial coefficient")
        if n > MAX_FACTORIAL:
            raise Undefined("too large anywhere")
        return within_size(Fraction(math.comb(int(n), int(k))))
    return divide(factorial(n), ball(factorial(k)) * ball(factorial(ball(n) - ball(k))))


def logarithm(value: Value, base: Value = Fraction(10)) -> Value:
    """Compute the logarithm to `base`."""
    return divide(natural(value), natural(base))


def natural(value: Value) -> Value:
    """Compute the natural logarithm."""
    value = ball(value)
    if value.contains(0):
        raise Undefined("the logarithm of what may be zero")
    return value.log()


def extreme(values: Sequence[Value], is_largest: bool) -> Value:
    """Return the maximum or minimum of real numbers."""
    import flint

    if all(isinstance(value, Fraction) for value in values):
        return max(values) if is_largest else min(values)
    total = real_part(values[0])
    for value in values[1:]:
        total = total.max(real_part(value)) if is_largest else total.min(real_part(value))
    return flint.acb(total)


def on_integers(function: Callable[..., int]) -> Callable[..., Fraction]:
    """Lift a function of integers to values; any other argument is Undefined."""

    def called(*values: Value) -> Fraction:
        if not all(isinstance(value, Fraction) and value.denominator == 1 for value in values):
            raise Undefined("not whole")
        return Fraction(function(*map(int, values)))

    return called


def finite(value: Any) -> Any:
    """Return the ball unless it is infinite."""
    if not value.is_finite():
        raise Undefined("no finite value")
    return value


def method(name: str, inverse: bool = False) -> Callable[[Value], Value]:
    """Wrap a unary function of flint."""

    def called(value: Value) -> Value:
        result = finite(getattr(ball(value), name)())
        return divide(Fraction(1), result) if inverse else result

    return called


def determinant(matrix: Node, point: Point) -> Value:
    """Compute the determinant of a square matrix by Laplace expansion."""
    columns, *entries = matrix.args
    if len(entries) != columns * columns or columns > MAX_ORDER:
        raise Undefined("no determinant")
    values = [evaluate(entry, point) for entry in entries]
    rows = [values[i : i + columns] for i in range(0, len(values), columns)]
    return expand(rows)


def expand(rows: Sequence[Sequence[Value]]) -> Value:
    """Expand the determinant of `rows` along the first row."""
    if len(rows) == 1:
        return rows[0][0]
    terms = []
    for j, value in enumerate(rows[0]):
        rest = [[*row[:j], *row[j + 1 :]] for row in rows[1:]]
        terms.append(fold([Fraction((-1) ** j), value, expand(rest)], lambda a, b: a * b))
    return fold(terms, lambda a, b: a + b)


FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "root": lambda value, degree: power(value, divide(Fraction(1), degree)),
    "absolute": absolute,
    "floor": floor,
    "ceiling": lambda value: -floor(-value),
    "factorial": factorial,
    "binomial": binomial,
    "degrees": lambda value: ball(value) * constant("pi") / 180,
    "log": logarithm,
    "lg": logarithm,
    "ln": natural,
    "max": lambda *values: extreme(values, True),
    "min": lambda *values: extreme(values, False),
    "gcd": on_integers(math.gcd),
    "lcm": on_integers(math.lcm),
    "cis": lambda value: method("exp")(constant("i") * ball(value)),
    "cot": method("cot"),
    "sec": method("sec"),
    "csc": method("csc"),
    "coth": method("coth"),
    **{name: method(name) for name in ("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"arc{name}": method(f"a{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
}  # fmt: skip
