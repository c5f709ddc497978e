"""Read sets of real numbers: intervals, inequalities, {x | ...}, unions and differences of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import sympy

Read = Callable[[str], Any]  # an expression from its text, None if it is none

MEMBER = re.compile(r"\s*[a-zA-Z](?:_\{?\w+\}?)?\s*\\in\s*")
BUILDER = re.compile(r"\\\{\s*\w\s*(?:\\in\s*(?:\\mathbb\{?\s*R\}?|R)\s*)?[|:](.*)\\\}", re.DOTALL)
INTERVAL = re.compile(r"([(\[])(.*)([)\]])", re.DOTALL)
FINITE = re.compile(r"\\\{(.*)\\\}", re.DOTALL)
RELATION = re.compile(r"(\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\ne(?![a-zA-Z])|<=|>=|<|>|=)")
VARIABLE = re.compile(r"\s*[a-zA-Z](?:_\{?\w+\}?|\([a-zA-Z]\))?\s*")
SPLITS = ((" or ", sympy.Union), (r"\cup", sympy.Union), (" and ", sympy.Intersection))
DIFFERENCE = re.compile(r"\\setminus|\\backslash|[-\\](?=\s*\\\{)")
ORDER = {r"\le": "<=", r"\ge": ">=", r"\ne": "!="}


def read_set(text: str, read: Read) -> Any:
    r"""Return the set of reals that `text` is; None if it is none.

    >>> read_set(r"x < 2 or x \ge 3", sympy.sympify)
    Union(Interval.open(-oo, 2), Interval(3, oo))
    >>> read_set(r"\{x | 0 < x \le 1\}", sympy.sympify)
    Interval.Lopen(0, 1)
    """
    text = MEMBER.sub("", text, count=1).strip()
    builder = BUILDER.fullmatch(text)
    if builder is not None and len(list(split(text, DIFFERENCE))) == 1:
        return read_set(builder[1], read)
    for word, join in SPLITS:
        parts = list(split(text, re.compile(re.escape(word))))
        if len(parts) > 1:
            sets = [read_set(part, read) for part in parts]
            return None if None in sets else join(*sets)
    parts = list(split(text, DIFFERENCE))
    if len(parts) == 2:
        sets = [read_set(part, read) for part in parts]
        return None if None in sets else sets[0] - sets[1]
    if (finite := FINITE.fullmatch(text)) is not None:
        values = [endpoint(part, read) for part in split(finite[1], re.compile(","))]
        return None if None in values else sympy.FiniteSet(*values)
    return read_interval(text, read) if INTERVAL.fullmatch(text) else read_relation(text, read)


def split(text: str, separator: re.Pattern[str]) -> Iterator[str]:
    """Yield the parts of `text` between separators that stand in no bracket."""
    depth = start = i = 0
    while i < len(text):
        match = separator.match(text, i) if depth == 0 and i > 0 else None
        if match is not None:
            yield text[start:i]
            start = i = match.end()
            continue
        depth += (text[i] in "([{") - (text[i] in ")]}")
        i += 1
    yield text[start:]


def endpoint(text: str, read: Read) -> Any:
    """Return a real number, or an expression in real symbols; None if `text` is none."""
    text = text.strip().lstrip("+").strip()
    if text.replace(" ", "") in (r"\infty", r"-\infty"):
        return -sympy.oo if "-" in text else sympy.oo
    value = read(text)
    if not isinstance(value, sympy.Expr):
        return None
    real = {symbol: sympy.Symbol(str(symbol), real=True) for symbol in value.free_symbols}
    return sympy.simplify(sympy.nsimplify(value.subs(real), rational=True))


def read_interval(text: str, read: Read) -> Any:
    """Return the interval that `text` writes with brackets; None if it is none."""
    match = INTERVAL.fullmatch(text)
    parts = list(split(match[2], re.compile(","))) if match else []
    if match is None or len(parts) != 2:
        return None
    low, high = (endpoint(part, read) for part in parts)
    if low is None or high is None:
        return None
    interval = sympy.Interval(low, high, match[1] == "(", match[3] == ")")
    return None if interval == sympy.EmptySet else interval  # a pair, not an interval


def read_relation(text: str, read: Read) -> Any:
    """Return the values of the variable in `a < x`, `x <= b`, `a < x < b` and the like."""
    parts = RELATION.split(text)
    sides, signs = parts[::2], [ORDER.get(sign, sign) for sign in parts[1::2]]
    places = [i for i, side in enumerate(sides) if VARIABLE.fullmatch(side)]
    if (
        len(signs) not in (1, 2)
        or places not in ([0], [1])
        or len(sides) - len(places) != len(signs)
    ):
        return None
    if len(signs) == 2 and places != [1]:
        return None
    found: Any = sympy.S.Reals
    for i, sign in enumerate(signs):
        is_left = i >= places[0]  # the variable stands left of this sign
        bound = endpoint(sides[i + 1] if is_left else sides[i], read)
        if bound is None:
            return None
        found = sympy.Intersection(found, half_line(sign, bound, is_left))
    return found


def half_line(sign: str, bound: Any, is_left: bool) -> Any:
    """Return the x with `x sign bound`, or with `bound sign x`."""
    if sign == "=":
        return sympy.FiniteSet(bound)
    if sign == "!=":
        return sympy.S.Reals - sympy.FiniteSet(bound)
    is_open = "=" not in sign
    if (sign[0] == "<") == is_left:
        return sympy.Interval(-sympy.oo, bound, True, is_open)
    return sympy.Interval(bound, sympy.oo, is_open, True)
