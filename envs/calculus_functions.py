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

MAX_TERMS = 60  # of a sum
MAX_PRODUCTS = 1_000  # of terms, in one multiplication
MAX_POWER = 60
MAX_BITS = 2_000  # of a number
MAX_PRIME = 1_000  # in the argument of a logarithm

LOG_X, CONSTANT = 0, 1  # atoms; a prime p stands for ln p

Exponent = tuple[tuple[tuple[int, int], Fraction], ...]  # of (times i, power of x) and coefficient


class Unreadable(ValueError):
    """Not a function of this kind, or too large."""


class Monomial(NamedTuple):
    """A product without its coefficient."""

    imaginary: int = 0  # whether i is a factor
    power: int = 0  # of x
    atoms: tuple[int, ...] = ()  # logarithms and the constant of integration, ascending
    exponent: Exponent = ()  # of e


Sum = Mapping[Monomial, Fraction]
ONE: Sum = {Monomial(): Fraction(1)}


class Function(NamedTuple):
    """A quotient of sums."""

    top: Sum
    bottom: Sum = ONE


def constant(value: Fraction | int) -> Function:
    """Return a constant function."""
    return Function({Monomial(): Fraction(value)} if value else {})


X = Function({Monomial(power=1): Fraction(1)})
I = Function({Monomial(imaginary=1): Fraction(1)})  # noqa: E741
C = Function({Monomial(atoms=(CONSTANT,)): Fraction(1)})


def times_monomial(left: Monomial, right: Monomial) -> tuple[int, Monomial]:
    """Return the sign and the monomial of a product."""
    sign = -1 if left.imaginary and right.imaginary else 1
    exponent = left.exponent or right.exponent
    if left.exponent and right.exponent:
        total = dict(left.exponent)
        for key, value in right.exponent:
            total[key] = total.get(key, Fraction(0)) + value
        exponent = tuple(sorted((key, value) for key, value in total.items() if value))
    atoms = tuple(sorted(left.atoms + right.atoms))
    imaginary = left.imaginary ^ right.imaginary
    return sign, Monomial(imaginary, left.power + right.power, atoms, exponent)


def add_sums(left: Sum, right: Sum, factor: int = 1) -> Sum:
    """Return left + factor * right."""
    total = dict(left)
    for monomial, value in right.items():
        total[monomial] = total.get(monomial, Fraction(0)) + factor * value
    return checked(total)


def multiply_sums(left: Sum, right: Sum) -> Sum:
    """Return the product."""
    if len(left) * len(right) > MAX_PRODUCTS:
        raise Unreadable("too many terms")
    total: dict[Monomial, Fraction] = {}
    for one, first in left.items():
        for two, second in right.items():
            sign, monomial = times_monomial(one, two)
            total[monomial] = total.get(monomial, Fraction(0)) + sign * first * second
    return checked(total)


def checked(total: Sum) -> Sum:
    """Return a sum without the terms that are 0, if it is not too large."""
    total = {monomial: value for monomial, value in total.items() if value}
    if len(total) > MAX_TERMS:
        raise Unreadable("too many terms")
    for monomial, value in total.items():
        bits = max(value.numerator.bit_length(), value.denominator.bit_length())
        if bits > MAX_BITS or abs(monomial.power) > MAX_POWER or len(monomial.atoms) > MAX_POWER:
            raise Unreadable("too large")
    return total


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
    return Function(multiply_sums(left.top, right.top), multiply_sums(left.bottom, right.bottom))


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
    return Function(multiply_sums(bottom, {inverse: sign / value}))


def raise_to(function: Function, exponent: int) -> Function:
    """Return an integer power."""
    if abs(exponent) > MAX_POWER:
        raise Unreadable("too large")
    base = invert(function) if exponent < 0 else function
    result = constant(1)
    for _ in range(abs(exponent)):
        result = multiply(result, base)
    return result


def exponential(function: Function) -> Function:
    """Return e to a sum of powers of x."""
    top = plain_sum(function)
    if any(monomial.atoms or monomial.exponent for monomial in top):
        raise Unreadable("an exponent that is no sum of powers")
    parts = {(monomial.imaginary, monomial.power): value for monomial, value in top.items()}
    return Function({Monomial(exponent=tuple(sorted(parts.items()))): Fraction(1)})


def sine(function: Function) -> Function:
    """Return (e^{iu} - e^{-iu}) / 2i."""
    turned = multiply(I, function)
    both = add(exponential(turned), exponential(multiply(constant(-1), turned)), -1)
    return multiply(both, multiply(constant(Fraction(-1, 2)), I))


def cosine(function: Function) -> Function:
    """Return (e^{iu} + e^{-iu}) / 2."""
    turned = multiply(I, function)
    both = add(exponential(turned), exponential(multiply(constant(-1), turned)))
    return multiply(both, constant(Fraction(1, 2)))


def logarithm(function: Function) -> Function:
    """Return ln |u| of a single real term without logarithms."""
    (monomial, value), *others = plain_sum(function).items() or [(Monomial(1), Fraction(1))]
    powers = [key for key, _ in monomial.exponent]
    if others or monomial.imaginary or monomial.atoms or any(turned for turned, _ in powers):
        raise Unreadable("a logarithm of a sum")
    total: dict[Monomial, Fraction] = {
        Monomial(power=power): part for (_, power), part in monomial.exponent
    }
    if monomial.power:
        total[Monomial(atoms=(LOG_X,))] = Fraction(monomial.power)
    for number, sign in ((abs(value.numerator), 1), (value.denominator, -1)):
        for prime, times in factorise(number).items():
            total[Monomial(atoms=(prime,))] = Fraction(sign * times)
    return Function(total)


def factorise(number: int) -> dict[int, int]:
    """Return the primes in `number`, and how often they divide it."""
    found: dict[int, int] = {}
    if number.bit_length() > MAX_BITS:
        raise Unreadable("too large")
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
        inner = {
            Monomial(turned, power - 1): power * part for (turned, power), part in monomial.exponent
        }
        total = add_sums(total, multiply_sums({monomial: value}, inner))
    return total


def derive(function: Function) -> Function:
    """Return the derivative by x."""
    top, bottom = function
    slope = multiply_sums(derive_sum(top), bottom)
    if bottom == ONE:
        return Function(slope)
    slope = add_sums(slope, multiply_sums(top, derive_sum(bottom)), -1)
    return Function(slope, multiply_sums(bottom, bottom))


def same(left: Function, right: Function) -> bool:
    """Return whether two functions are equal."""
    crossed = multiply_sums(left.top, right.bottom), multiply_sums(right.top, left.bottom)
    return crossed[0] == crossed[1]
