"""Read plain answers by hand, and tell most right and wrong ones apart without an engine."""

from __future__ import annotations

import cmath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Number = Fraction | complex

MAX_LENGTH = 120  # of a text that is read
MAX_DEPTH = 12  # of what is nested in it
MAX_BITS = 4_096  # of an exact power
GAP = Fraction(1, 1_000)  # relative, of values that no rounding makes equal
INFINITE = complex(1e300)
NOTATION = (
    (r"\\", "\0"), (r"\left", ""), (r"\right", ""), (r",\!", ""), ("{,}", ""), (r"\!", ""), (r"\dfrac", r"\frac"),
    (r"\tfrac", r"\frac"), (r"\cfrac", r"\frac"), (r"\,", " "), (r"\;", " "), (r"\ ", " "),
    (r"\{", "{|"), (r"\}", "|}"), ("−", "-"), ("π", r"\pi "), ("∞", r"\infty "), ("°", r"^\circ "),
)  # fmt: skip
NAME = re.compile(r"([a-zA-Z])\s*=(?!=)(.*)", re.DOTALL)
UNIT = re.compile(r"\s*\\(?:text|mbox|mathrm|textrm)\s*\{[a-zA-Z .\\-]*\}(?:\^\{?[23]\}?)?\s*$")
COUNTED = re.compile(r"million|billion|thousand|hundred|dozen|percent|degree|half|pair|and|or")
MARK = re.compile(r"(\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\?%)\s*$")
AROUND = re.compile(r"(?<!\d)\s+|\s+(?!\d)|(?<!\\)\$|\.\s*$")
LETTERS = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2}")  # a product, or a unit?
WORD = re.compile(r"(?<![\\{a-zA-Z])[a-zA-Z]{4}")  # a product of four would have powers
MATRIX = re.compile(r"\\begin\{([pbv]?matrix)\}(.*)\\end\{\1\}", re.DOTALL)
MIXED = re.compile(r"(-?\d+)\s*(\\frac\s*(?:\d\s*\d|\{\d+\}\s*\{\d+\}|\d\s*\{\d+\}|\{\d+\}\s*\d))")
BASED = re.compile(r"(-?\d+)_\{?(\d{1,2})\}?", re.ASCII)
GROUPED = re.compile(r"\d,\d{3}(?!\d)")  # 1,200: one number or two?
DECIMAL = re.compile(r"-?\d+,\d+")  # and 3,14, where 3.14 is right?
UNCLEAR = re.compile(r"-?\d+,\d\d+")  # 3,14 is right: one number, as data sets have it, or two?
WORDS = re.compile(
    r"\(?\s*\\(?:text|mbox|mathrm|textbf|textrm)\{([a-zA-Z ()-]+)\}\s*\)?|([a-zA-Z][a-zA-Z -]*)"
)
DIGITS = re.compile(r"\d+(?:\.\d+)?|\.\d+", re.ASCII)
COMMAND = re.compile(r"\\([a-zA-Z]+)")
SYMBOLS = {name: 0.1 + 0.0371 * i for i, name in enumerate(
    ["alpha", "beta", "gamma", "delta", "theta", "lambda", "mu", "omega", "phi", "rho", "sigma", "tau"]
)}  # fmt: skip
OPERATORS = {"*": "*", "/": "/", r"\cdot": "*", r"\times": "*", r"\div": "/"}


@dataclass(frozen=True)
class Reading:
    """One value or several, each with all that it may stand for."""

    items: tuple[tuple[Number, ...], ...]
    brackets: str  # around several: "", "()", "[]", "{}" and mixed ones
    letters: frozenset[str]  # that stand for any number
    name: str  # of what the value is said to be, or ""


def squeeze(text: str) -> str:
    r"""Return `text` with one notation of what looks the same, without spaces between words.

    >>> squeeze(r"$\left( 1, \dfrac 12 \right)$")
    '(1,\\frac12)'
    """
    for old, new in NOTATION:
        text = text.replace(old, new)
    return AROUND.sub("", text)


def compare_values(gold: str, answer: str) -> bool | None:
    r"""Return whether `answer` is right, None if that is not plain to see.

    Both are read as numbers, with any letters at one value each: what is far from the gold answer
    there is wrong. What is right must be rational, so that it is compared exactly.

    >>> compare_values(r"\frac{6}{4}", "1 + 2^{-1}"), compare_values(r"\frac{6}{4}", "1+1/3")
    (True, False)
    >>> compare_values(r"2\sqrt{3}", "3.4"), compare_values(r"(1, 2)", "(2, 1)")
    (False, False)
    >>> compare_values(r"2\sqrt{3}", r"\sqrt{12}") is None  # near, which is not equal
    True
    """
    said = compare_words(gold, answer)
    if said is not None:
        return said
    left, right = read(gold), read(answer)
    if left is None or right is None:
        return None
    if any(a and b and a != b for a, b in ((left.letters, right.letters), (left.name, right.name))):
        return None
    if left.letters != right.letters and (LETTERS.search(gold) or LETTERS.search(answer)):
        return None
    if len(left.items) != len(right.items):
        is_number = len(left.items) == 1 and "." in gold and not left.letters
        is_pair = len(right.items) == 2 and not right.brackets
        if is_number and is_pair and DECIMAL.search(answer):
            return compare_values(gold, answer.replace(",", "."))
        return None if UNCLEAR.fullmatch(gold.strip(" $")) and "." in answer else False
    if left.brackets == right.brackets not in ("", "{}"):
        pairs = zip(left.items, right.items, strict=True)
        near = all(covers([item], [other]) for item, other in pairs)
    else:
        near = covers(left.items, right.items) and covers(right.items, left.items)
    if not near:
        return False
    if left.letters or right.letters or left.brackets != right.brackets:
        return None
    return compare_exact(left, right, is_rounded="." in gold + answer)


def compare_words(gold: str, answer: str) -> bool | None:
    r"""Return whether two texts are the same words, None if one is more than words.

    >>> compare_words(r"\text{(B)}", r"(\text{b})"), compare_words(r"\text{even}", "odd")
    (True, False)
    """
    matches = [
        WORDS.fullmatch(text.strip(" .$")) for text in (gold[:MAX_LENGTH], answer[:MAX_LENGTH])
    ]
    words = [
        match and " ".join(re.findall("[a-z]+", (match[1] or match[2]).lower()))
        for match in matches
    ]
    is_text = any(match is not None and match[1] is not None for match in matches)
    if words[0] is None or words[1] is None:
        others = [read(text) for text in (gold, answer)]
        number = any(other is not None and not other.letters for other in others)
        return False if is_text and number else None
    return words[0] == words[1] if is_text else None


def compare_exact(left: Reading, right: Reading, is_rounded: bool) -> bool | None:
    """Return whether two readings that are near are equal, None if they are not both rational."""
    values = [[item[0] for item in side.items] for side in (left, right)]
    if any(len(item) > 1 for side in (left, right) for item in side.items):
        return None
    exact = [[value for value in side if isinstance(value, Fraction)] for side in values]
    if [len(side) for side in exact] != [len(side) for side in values]:
        return None
    if left.brackets in ("", "{}"):
        exact = [sorted(side) for side in exact]
    if exact[0] == exact[1]:
        return True
    return None if is_rounded or left.brackets not in ("", "{}", "()") else False


def covers(ones: Sequence[tuple[Number, ...]], others: Sequence[tuple[Number, ...]]) -> bool:
    """Return whether each of `ones` may be near one of `others`."""
    return all(any(is_near(a, b) for other in others for a in one for b in other) for one in ones)


def is_near(left: Number, right: Number) -> bool:
    """Return whether two values may be the same, one of them rounded."""
    if left == right:
        return True
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return abs(left - right) <= GAP * max(abs(left), abs(right))
    try:
        a, b = complex(left), complex(right)
    except OverflowError:
        return True
    if not (cmath.isfinite(a) and cmath.isfinite(b)):
        return True
    return abs(a - b) <= float(GAP) * max(abs(a), abs(b)) or max(abs(a), abs(b)) < 1e-6


def read(text: str) -> Reading | None:
    """Return what `text` says, None if it is not plain."""
    if len(text) > MAX_LENGTH or WORD.search(text):
        return None
    text = text.strip().rstrip(".")
    if text.startswith("$") and text.endswith("$"):
        text = text[1:-1]
    for old, new in NOTATION:
        text = text.replace(old, new)
    name = ""
    if (named := NAME.fullmatch(text.strip())) is not None:
        name, text = named.groups()
    try:
        reader = Reader()
        items, brackets = reader.items(text.strip())
    except (ValueError, ArithmeticError):
        return None
    return None if name in reader.letters else Reading(items, brackets, reader.letters, name)


class Reader:
    """A parser by recursive descent of sums of products of powers, as LaTeX writes them."""

    def __init__(self) -> None:
        """Note no letters yet."""
        self.letters: frozenset[str] = frozenset()

    def items(self, text: str) -> tuple[tuple[tuple[Number, ...], ...], str]:
        """Return the values that `text` lists, and the brackets around them."""
        for opening, closing in (("{|", "|}"), ("(", ")"), ("[", "]"), ("(", "]"), ("[", ")")):
            inside = text[len(opening) : -len(closing)]
            if text.startswith(opening) and text.endswith(closing) and len(split(inside)) > 1:
                kind = f"{opening[0]}{closing[-1]}"
                return tuple(map(self.alternatives, self.parts(inside))), kind
        if (matrix := MATRIX.fullmatch(text)) is not None:
            rows = [row.split("&") for row in matrix[2].split("\0") if row.strip()]
            entries = [entry for row in rows for entry in row]
            return tuple(map(self.alternatives, entries)), f"matrix of {len(rows)} rows"
        return tuple(map(self.alternatives, self.parts(text))), ""

    def parts(self, text: str) -> list[str]:
        """Return what commas separate, unless one of them may group digits."""
        parts = split(text)
        if len(parts) > 1 and GROUPED.search(text):
            raise ValueError("is this one number?")
        return parts

    def alternatives(self, text: str) -> tuple[Number, ...]:
        """Return the value of an expression, or several for degrees, per cent, units and bases."""
        text = text.strip()
        if (based := BASED.fullmatch(text)) is not None and 2 <= int(based[2]) <= 36:
            return Fraction(int(based[1])), Fraction(int(based[1], int(based[2])))
        if (mixed := MIXED.fullmatch(text)) is not None:
            whole, part = Fraction(mixed[1]), self.value(mixed[2])
            return multiply(whole, part), add(whole, part, -1 if whole < 0 else 1)
        unit = UNIT.search(text)
        if unit is not None and not COUNTED.search(unit[0]):
            value = self.value(text[: unit.start()].removeprefix(r"\$"))
            return value, value
        if (mark := MARK.search(text)) is not None:
            value = self.value(text[: mark.start()])
            scale = 1 / 100 if "%" in mark[0] else cmath.pi / 180
            return value, complex(value) * scale
        if text.startswith(r"\$"):
            value = self.value(text[2:])
            return value, value
        return (self.value(text),)

    def value(self, text: str) -> Number:
        """Return the value of one expression that is the whole text."""
        self.text, self.place, self.depth = text, 0, 0
        found = self.sum()
        if self.next():
            raise ValueError(f"{self.next()!r} is left")
        return found

    def next(self) -> str:
        """Return the next character or command, which is not taken yet; "" at the end."""
        while self.place < len(self.text) and self.text[self.place].isspace():
            self.place += 1
        command = COMMAND.match(self.text, self.place)
        return command[0] if command else self.text[self.place : self.place + 1]

    def take(self, expected: str) -> None:
        """Go on after `expected`."""
        if self.next() != expected:
            raise ValueError(f"{expected!r} is not next")
        self.place += len(expected)

    def sum(self) -> Number:
        """Read terms with signs between them."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("too deep")
        total: Number = Fraction(0)
        sign = self.next()
        while True:
            if sign in ("+", "-"):
                self.take(sign)
            total = add(total, self.product(), -1 if sign == "-" else 1)
            sign = self.next()
            if sign not in ("+", "-"):
                self.depth -= 1
                return total

    def product(self) -> Number:
        """Read powers with signs or nothing between them."""
        value, divided = self.power(), False
        while token := self.next():
            if token in OPERATORS:
                self.take(token)
                factor = self.power()
                divided = OPERATORS[token] == "/"
                value = multiply(value, power(factor, Fraction(-1)) if divided else factor)
            elif (token.isascii() and (token.isalpha() or token in ("(", r"\sqrt", r"\pi"))) or (
                token[1:] in SYMBOLS
            ):
                if divided:
                    raise ValueError("is what follows divided too?")
                value = multiply(value, self.power())
            else:
                return value
        return value

    def power(self) -> Number:
        """Read one factor and its exponent."""
        base = self.atom()
        if self.next() != "^":
            return base
        self.take("^")
        return power(base, self.argument())

    def argument(self) -> Number:
        """Read what a command or an exponent takes: a digit, a letter, a command or a group."""
        token = self.next()
        if token == "{":
            return self.atom()
        if token.isdigit() and token.isascii():
            self.take(token)
            return Fraction(int(token))
        return self.atom()

    def atom(self) -> Number:
        """Read a number, a letter, a fraction, a root or a group."""
        token = self.next()
        if (digits := DIGITS.match(self.text, self.place)) is not None:
            self.place = digits.end()
            return Fraction(digits[0])
        self.take(token)
        if token in ("(", "{"):
            value = self.sum()
            self.take({"(": ")", "{": "}"}[token])
            return value
        if token == r"\frac":
            top = self.argument()
            return multiply(top, power(self.argument(), Fraction(-1)))
        if token == r"\sqrt":
            return self.root()
        if token == r"\infty":
            return INFINITE
        return self.letter(token)

    def root(self) -> Number:
        """Read the degree of a root, if there is one, and what is under it."""
        degree: Number = Fraction(2)
        if self.next() == "[":
            self.take("[")
            degree = self.sum()
            self.take("]")
        return power(self.argument(), power(degree, Fraction(-1)))

    def letter(self, token: str) -> Number:
        """Return the value of a constant, or the one that we take for a variable."""
        if token == r"\pi":
            return complex(cmath.pi)
        if token in ("i", "e"):
            return 1j if token == "i" else complex(cmath.e)
        if token[1:] not in SYMBOLS and not (
            len(token) == 1 and token.isascii() and token.isalpha()
        ):
            raise ValueError(f"{token!r} is not plain")
        self.letters |= {token}
        return complex(SYMBOLS.get(token[1:]) or 0.3 + 0.618 * (ord(token) - 64) % 1)


def split(text: str) -> list[str]:
    """Return the parts between the commas that stand in no bracket."""
    parts, depth, start = list[str](), 0, 0
    for i, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def add(left: Number, right: Number, sign: int) -> Number:
    """Return left + sign right, exact if both are."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left + sign * right
    return complex(left) + sign * complex(right)


def multiply(left: Number, right: Number) -> Number:
    """Return the product, exact if both are."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left * right
    return complex(left) * complex(right)


def power(base: Number, exponent: Number) -> Number:
    """Return the power, exact if it is rational and small."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if exponent.denominator == 1 and size * abs(exponent.numerator) <= MAX_BITS:
            return Fraction(base**exponent.numerator)
    if complex(base).real < 0 and isinstance(exponent, Fraction) and exponent.denominator > 2:
        raise ValueError("which root?")
    value: complex = complex(base) ** complex(exponent)
    return value
