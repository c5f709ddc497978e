r"""Functions of x with exact arithmetic: powers, exponentials, sines, cosines and logarithms.

A function is a quotient of two sums. A term of a sum is a rational number times a power of x,
times logarithms, times e to a polynomial, perhaps times i: a sine is (e^{iu} - e^{-iu}) / 2i.
Exponentials of different polynomials are linearly independent over such terms, so a sum is 0 only
where nothing is left of it, and two functions are equal where their cross products differ by 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

MAX_TERMS = 100  # of a sum
MAX_PRODUCTS = 1_000  # of terms, in one multiplication
MAX_POWER = 40
LARGE = 10**300  # beyond any number
MAX_PRIME = 1_000  # in the argument of a logarithm

LOG_X, CONSTANT = 0, 1  # atoms; a prime p stands for ln p

Number = int | Fraction
Exponent = tuple[tuple[tuple[int, int], Number], ...]  # of (times i, power of x) and coefficient


class Unreadable(ValueError):
    """Not a function of this kind, or too large."""


class Monomial(NamedTuple):
    """A product without its coefficient."""

    imaginary: int = 0  # whether i is a factor
    power: int = 0  # of x
    atoms: tuple[int, ...] = ()  # logarithms and the constant of integration, ascending
    exponent: Exponent = ()  # of e


Sum = Mapping[Monomial, Number]
ONE: Sum = {Monomial(): 1}


class Function(NamedTuple):
    """A quotient of sums."""

    top: Sum
    bottom: Sum = ONE


def constant(value: Number) -> Function:
    """Return a constant function."""
    return Function({Monomial(): value} if value else {})


X = Function({Monomial(power=1): 1})
C = Function({Monomial(atoms=(CONSTANT,)): 1})


def times_monomial(left: Monomial, right: Monomial) -> tuple[int, Monomial]:
    """Return the sign and the monomial of a product."""
    exponent = left.exponent or right.exponent
    if left.exponent and right.exponent:
        total = dict(left.exponent)
        for key, value in right.exponent:
            total[key] = total.get(key, 0) + value
        exponent = tuple(sorted((key, value) for key, value in total.items() if value))
    atoms = left.atoms or right.atoms
    if left.atoms and right.atoms:
        atoms = tuple(sorted(left.atoms + right.atoms))
    sign = -1 if left.imaginary and right.imaginary else 1
    imaginary = left.imaginary ^ right.imaginary
    return sign, Monomial(imaginary, left.power + right.power, atoms, exponent)


def add_sums(left: Sum, right: Sum, factor: int = 1) -> Sum:
    """Return left + factor * right."""
    total = dict(left)
    for monomial, value in right.items():
        total[monomial] = total.get(monomial, 0) + factor * value
        if not total[monomial]:
            del total[monomial]
    if len(total) > MAX_TERMS:
        raise Unreadable("too many terms")
    return total


def multiply_sums(left: Sum, right: Sum) -> Sum:
    """Return the product."""
    if left is ONE or right is ONE:
        return left if right is ONE else right
    if len(left) * len(right) > MAX_PRODUCTS:
        raise Unreadable("too many terms")
    total: dict[Monomial, Number] = {}
    for one, first in left.items():
        for two, second in right.items():
            sign, monomial = times_monomial(one, two)
            value = total.get(monomial, 0) + sign * first * second
            if abs(monomial.power) > MAX_POWER or len(monomial.atoms) > MAX_POWER:
                raise Unreadable("too large")
            if not -LARGE < value.numerator < LARGE or value.denominator > LARGE:
                raise Unreadable("too large")
            total[monomial] = value
    if len(total) > MAX_TERMS:
        raise Unreadable("too many terms")
    return {monomial: value for monomial, value in total.items() if value}


def add(left: Function, right: Function, factor: int = 1) -> Function:
    """Return left + factor * right."""
    if left.bottom == right.bottom:
        return Function(add_sums(left.top, right.top, factor), left.bottom)
    top = add_sums(
        multiply_sums(left.top, right.bottom), multiply_sums(right.top, left.bottom), factor
    )
    return Function(top, multiply_sums(left.bottom, right.bottom))


def multiply(left: Function, right: Function) -> Function:
    """Return the product."""
    top = multiply_sums(left.top, right.top)
    if left.bottom is ONE and right.bottom is ONE:
        return Function(top)
    return Function(top, multiply_sums(left.bottom, right.bottom))


def invert(function: Function) -> Function:
    """Return 1 / function; of a single term without atoms, as a term."""
    top, bottom = function
    if not top:
        raise Unreadable("division by 0")
    (monomial, value), *others = top.items()
    if others or monomial.atoms:
        return Function(bottom, top)
    exponent = tuple((key, -part) for key, part in monomial.exponent)
    inverse = Monomial(monomial.imaginary, -monomial.power, (), exponent)
    sign = -1 if monomial.imaginary else 1  # 1 / i = -i
    return Function(multiply_sums(bottom, {inverse: Fraction(sign) / value}))


def raise_to(function: Function, exponent: int) -> Function:
    """Return an integer power."""
    if abs(exponent) * len(function.top) * len(function.bottom) > MAX_POWER:
        raise Unreadable("too large")
    base = invert(function) if exponent < 0 else function
    result = constant(1)
    for _ in range(abs(exponent)):
        result = multiply(result, base)
    return result


def exponential(function: Function) -> Function:
    """Return e to a sum of powers of x."""
    return Function({Monomial(exponent=exponent_of(function, 0)): 1})


def sine(function: Function) -> Function:
    """Return (e^{iu} - e^{-iu}) / 2i for a sum of powers of x, u."""
    up, down = turned(function)
    if not up:
        return constant(0)
    return Function(
        {Monomial(1, exponent=up): Fraction(-1, 2), Monomial(1, exponent=down): Fraction(1, 2)}
    )


def cosine(function: Function) -> Function:
    """Return (e^{iu} + e^{-iu}) / 2 for a sum of powers of x, u."""
    up, down = turned(function)
    if not up:
        return constant(1)
    return Function(
        {Monomial(exponent=up): Fraction(1, 2), Monomial(exponent=down): Fraction(1, 2)}
    )


def turned(function: Function) -> tuple[Exponent, Exponent]:
    """Return the exponents of i times a sum of powers of x, and of -i times it."""
    up = exponent_of(function, 1)
    return up, tuple((key, -value) for key, value in up)


def exponent_of(function: Function, imaginary: int) -> Exponent:
    """Return a sum of powers of x, times i if `imaginary`, as an exponent."""
    parts = []
    for monomial, value in plain_sum(function).items():
        if monomial.imaginary or monomial.atoms or monomial.exponent:
            raise Unreadable("an argument that is no sum of powers")
        parts.append(((imaginary, monomial.power), value))
    return tuple(sorted(parts))


def logarithm(function: Function) -> Function:
    """Return ln |u| of a single real term without logarithms."""
    (monomial, value), *others = plain_sum(function).items() or [(Monomial(1), 0)]
    powers = [key for key, _ in monomial.exponent]
    if others or monomial.imaginary or monomial.atoms or any(i for i, _ in powers):
        raise Unreadable("a logarithm of a sum")
    total: dict[Monomial, Number] = {
        Monomial(power=power): part for (_, power), part in monomial.exponent
    }
    if monomial.power:
        total[Monomial(atoms=(LOG_X,))] = monomial.power
    for number, sign in ((abs(value.numerator), 1), (value.denominator, -1)):
        for prime, times in factorise(number).items():
            total[Monomial(atoms=(prime,))] = sign * times
    return Function(total)


def factorise(number: int) -> dict[int, int]:
    """Return the primes in `number`, and how often they divide it."""
    found: dict[int, int] = {}
    prime = 2
    while number > 1 and prime < MAX_PRIME:
        while number % prime == 0:
            number //= prime
            found[prime] = found.get(prime, 0) + 1
        prime = number if prime * prime > number and number < MAX_PRIME else prime + 1
    if number > 1:
        raise Unreadable("a logarithm of a large number")
    return found


def plain_sum(function: Function) -> Sum:
    """Return the sum that a function is; a quotient of sums is none."""
    if function.bottom != ONE:
        raise Unreadable("a quotient inside another function")
    return function.top


def derive_sum(function: Sum) -> Sum:
    """Return the derivative by x."""
    total: Sum = {}
    for monomial, value in function.items():
        lower = monomial._replace(power=monomial.power - 1)
        total = add_sums(total, {lower: value * monomial.power})
        if (count := monomial.atoms.count(LOG_X)) > 0:  # they come first
            total = add_sums(total, {lower._replace(atoms=monomial.atoms[1:]): value * count})
        inner = {Monomial(i, power - 1): power * part for (i, power), part in monomial.exponent}
        total = add_sums(total, multiply_sums({monomial: value}, inner))
    return total


def derive(function: Function) -> Function:
    """Return the derivative by x."""
    top, bottom = function
    slope = multiply_sums(derive_sum(top), bottom)
    if bottom is ONE:
        return Function(slope)
    slope = add_sums(slope, multiply_sums(top, derive_sum(bottom)), -1)
    return Function(slope, multiply_sums(bottom, bottom))


def same(left: Function, right: Function) -> bool:
    """Return whether two functions are equal."""
    if left.bottom is ONE and right.bottom is ONE:
        return left.top == right.top
    crossed = multiply_sums(left.top, right.bottom), multiply_sums(right.top, left.bottom)
    return crossed[0] == crossed[1]
