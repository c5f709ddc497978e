r"""Read a function of x from what a model wrote, in LaTeX or in plain notation, by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from edgewise.envs.calculus.functions import (
    C,
    Function,
    Unreadable,
    X,
    add,
    constant,
    cosine,
    exponential,
    invert,
    logarithm,
    multiply,
    raise_to,
    sine,
)
from edgewise.number import SPACE

MAX_LENGTH = 1_000
MAX_DEPTH = 20
FUNCTIONS: dict[str, Callable[[Function], Function]] = {
    "sin": sine,
    "cos": cosine,
    "tan": lambda u: multiply(sine(u), invert(cosine(u))),
    "sec": lambda u: invert(cosine(u)),
    "csc": lambda u: invert(sine(u)),
    "cot": lambda u: multiply(cosine(u), invert(sine(u))),
    "ln": logarithm,
    "log": logarithm,
    "exp": exponential,
}
SYMBOLS = {"**": "^", "−": "-", r"\mathrm{e}": "e"}
NAME = re.compile(r"\s*\$*\s*[fFgGyY]'*\s*(?:\(x\))?\s*=")
SILENT = re.compile(r"\\left(?![a-z])|\\right(?![a-z])|\\[,;:! ]|[$\s]")
SHORT = re.compile(r"frac(\d)(\d)", re.ASCII)
ABSOLUTE = re.compile(r"\(\|([^|]{1,100})\|\)")
TOKEN = re.compile(
    r"(?P<number>\d{1,30}(?:\.\d{1,30})?|\.\d{1,30})"
    rf"|\\?(?P<function>{'|'.join(FUNCTIONS)})|\\[dt]?(?P<frac>frac)|(?P<times>\\cdot|\\times|\*)"
    r"|(?P<letter>[xeCc])|(?P<sign>[-+/^(){}\[\]|])",
    re.ASCII,
)
CLOSING = {"(": ")", "{": "}", "[": "]", "|": "|"}
BEGINNING = ("function", "frac", "letter")  # of a factor without a sign before it


def read_function(text: str) -> Function | None:
    r"""Return the function that `text` writes, perhaps after f(x) =; None if it is none.

    >>> read_function(r"2x\sin(x)\cos(x)") == read_function(r"x \sin 2x")
    True
    >>> read_function(r"\frac{d}{dx} x^2") is None
    True
    """
    if len(text) > MAX_LENGTH:
        return None
    for symbol, plain in SYMBOLS.items():
        text = text.replace(symbol, plain)
    text = NAME.sub("", text, count=1)
    text = SPACE.sub("", SILENT.sub(" ", text))
    text = SHORT.sub(r"frac{\1}{\2}", ABSOLUTE.sub(r"(\1)", text))
    tokens, place = list[tuple[str, str]](), 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            return None
        kind = match.lastgroup or ""
        tokens.append((kind, match[kind]))
        place = match.end()
    try:
        reader = Reader(tokens)
        function = reader.sum()
        return function if reader.at_end() else None
    except Unreadable:
        return None


class Reader:
    """Reads tokens from left to right, by recursive descent to a bounded depth."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        """Begin with the first token."""
        self.tokens, self.place, self.depth = [*tokens, ("", "")], 0, 0

    def at_end(self) -> bool:
        """Return whether all tokens are read."""
        return self.place == len(self.tokens) - 1

    def peek(self) -> tuple[str, str]:
        """Return the next token, empty at the end."""
        return self.tokens[self.place]

    def take(self, text: str) -> bool:
        """Read `text` if it is next, and return whether it was."""
        taken = self.tokens[self.place][1] == text
        self.place += taken
        return taken

    def sum(self) -> Function:
        """Read terms with signs between them."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("too deep")
        total = self.product()
        while self.peek()[1] in ("+", "-"):
            factor = 1 if self.take("+") or not self.take("-") else -1
            total = add(total, self.product(), factor)
        self.depth -= 1
        return total

    def product(self) -> Function:
        """Read factors with signs, or nothing, between them."""
        result = self.signed()
        while True:
            kind, text = self.peek()
            if kind == "times" or text == "/":
                self.place += 1
                factor = self.signed()
                result = multiply(result, invert(factor) if text == "/" else factor)
            elif kind in BEGINNING or text in ("(", "{", "["):
                result = multiply(result, self.power())
            else:
                return result

    def signed(self) -> Function:
        """Read a factor after signs."""
        factor = 1
        while self.peek()[1] in ("+", "-"):
            factor *= 1 if self.take("+") or not self.take("-") else -1
        value = self.power()
        return value if factor == 1 else multiply(constant(-1), value)

    def power(self) -> Function:
        """Read a factor, and its exponent if it has one."""
        if self.take("e"):
            return exponential(self.exponent() if self.take("^") else constant(1))
        base = self.factor()
        return raise_to(base, integer_of(self.exponent())) if self.take("^") else base

    def exponent(self) -> Function:
        """Read what is above: a group, or a single factor with its own exponent."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("too deep")
        value = self.signed()
        self.depth -= 1
        return value

    def factor(self) -> Function:
        """Read a number, a letter, a group, a fraction or a function."""
        kind, text = self.peek()
        self.place += 1
        if kind == "number":
            return constant(Fraction(text) if "." in text else int(text))
        if kind == "letter":
            return X if text == "x" else C
        if kind == "frac":
            return multiply(self.group("{"), invert(self.group("{")))
        if kind == "function":
            times = integer_of(self.exponent()) if self.take("^") else 1
            if times < 1:
                raise Unreadable("sin^{-1} is another function")
            return raise_to(FUNCTIONS[text](self.argument(text)), times)
        self.place -= 1
        return self.group("({[")

    def group(self, opening: str) -> Function:
        """Read what is between brackets, the first of them in `opening`."""
        text = self.peek()[1]
        if not text or text not in opening:
            raise Unreadable("something is missing")
        self.place += 1
        value = self.sum()
        if not self.take(CLOSING[text]):
            raise Unreadable("a bracket is not closed")
        return value

    def argument(self, name: str) -> Function:
        r"""Read the argument of a function: a group, or as far as 2x goes in \sin 2x."""
        if self.peek()[1] in ("(", "{", "["):
            return self.group("({[")
        if self.peek()[1] == "|" and name in ("ln", "log"):
            return self.group("|")
        if self.peek()[0] not in ("number", "frac") and self.peek()[1] != "x":
            raise Unreadable("an argument is missing")
        value = self.power()
        return multiply(value, self.power()) if self.peek()[1] == "x" else value


def integer_of(function: Function) -> int:
    """Return the value of a constant function, which must be an integer."""
    value = next(iter(function.top.values()), Fraction(0))
    if function != constant(value) or value.denominator > 1:
        raise Unreadable("an exponent that is no integer")
    return value.numerator
