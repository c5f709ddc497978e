"""The tool that calculates, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from edgewise.grading.evaluate import TooLarge, Undefined, evaluate
from edgewise.grading.parser import parse
from edgewise.grading.text import normalise
from edgewise.grading.tokens import Unreadable, lex
from edgewise.grading.tree import walk
from edgewise.tools import Tool, register_tool

OPERATIONS = {"number", "sum", "product", "quotient", "power"}
NONE = "this is no arithmetic"
LONG = "this is too long"
LARGE = "this has no value, or too large a one"


@register_tool
@dataclass(frozen=True)
class Calculator(Tool):
    r"""Evaluate + - * / ^ and parentheses over whole numbers, decimals and fractions.

    Example:
        >>> calculator = Calculator()
        >>> [calculator.run(text) for text in ("(3 + 5) * 2", "1/3 + 0.5", r"\frac{6}{4}", "2^10")]
        ['16', '5/6', '3/2', '1024']
        >>> [calculator.run(text) for text in ("1/0", "(9^9)^9", "two")]
        ['this has no value, or too large a one', 'this has no value, or too large a one', 'this is no arithmetic']
    """

    name: ClassVar[str] = "calculator"
    parameter: ClassVar[str] = "expression"
    about: ClassVar[str] = "evaluates + - * / ^ and parentheses exactly"

    max_length: int = 200  # characters of an expression
    max_digits: int = 50  # of a result, its denominator included

    def __post_init__(self) -> None:
        """Check the limits."""
        if not 1 <= self.max_length <= 1_000:
            raise ValueError(f"`max_length` must be in [1, 1000], got {self.max_length}")
        if not 1 <= self.max_digits <= 1_000:
            raise ValueError(f"`max_digits` must be in [1, 1000], got {self.max_digits}")

    def run(self, text: str) -> str:
        """Return the value, a whole number or a fraction in lowest terms, or why there is none."""
        if len(text) > self.max_length:
            return LONG
        try:
            node = parse(lex(normalise(text.replace("**", "^"))))
            parts = walk(node)
            if not all(part.op in OPERATIONS for part in parts):
                return NONE
            powers = [
                part.args[1] for part in reversed(parts) if part.op == "power"
            ]  # innermost first
            if not all(evaluate(exponent, {}).denominator == 1 for exponent in powers):
                return NONE  # a root
            value: Fraction = evaluate(node, {})
        except (TooLarge, Undefined):
            return LARGE
        except (Unreadable, RecursionError, ValueError):
            return NONE
        size = max(value.numerator.bit_length(), value.denominator.bit_length())
        shown = str(value) if size < 4 * self.max_digits + 8 else ""
        return shown if 0 < len(shown) <= self.max_digits else LARGE
