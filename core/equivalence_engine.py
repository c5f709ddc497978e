"""Judge one answer with Math-Verify, and what it misses; runs in the worker processes only."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import sympy
from math_verify import parse, verify

from edgewise.answer import extract_answer
from edgewise.equivalence_sets import read_set

SYMBOLS = {
    "−": "-", "\u2013": "-", "\uff1e": ">", "\uff1c": "<", "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ",
    "≠": r"\ne ", "∞": r"\infty ", "\u222a": r"\cup ", "∈": r"\in ", "π": r"\pi ", "×": r"\times ",
    "±": r"\pm ", "\uff08": "(", "\uff09": ")", "\uff0c": ",", r"\$": "", r"\lbrace": r"\{",
    r"\rbrace": r"\}", r"\mid": "|", r"\vert": "|", r"\colon": ":", r"\lor": r" or ", r"\vee": " or ",
    r"\land": " and ", r"\wedge": " and ", r"\geqslant": r"\ge ", r"\leqslant": r"\le ",
    r"\geq": r"\ge ", r"\leq": r"\le ", r"\neq": r"\ne ", r"\dfrac": r"\frac", r"\tfrac": r"\frac",
    r"\cfrac": r"\frac", r"\quad": " ", r"\qquad": " ", r"\left": "", r"\right": "", r"\!": "",
    r"\,": " ", r"\;": " ", r"\:": " ", r"\ ": " ", "$": "",
}  # fmt: skip
TOKEN = re.compile(r"\\(?:[a-zA-Z]+|.)|[^\x00-\x7f]|\$")
WORDS = re.compile(r"\\(?:text|mathrm|textrm)\{\s*(or|and)\s*\}")
FOREIGN = re.compile(r"(?<=[^\W\d_a-zA-Z])(?=[\d(\\-])")  # 13/28 right after a Chinese character
POWER = re.compile(r"\^(\\frac\{\w+\}\{\w+\})")  # of which LaTeX makes the same
GROUPED = re.compile(r"(?<=\d)(?:,|\s+)(?=\d{3}(?!\d))")
FUNCTION = re.compile(r"\s*([a-zA-Z])\s*\(\s*([a-zA-Z])\s*\)\s*=(.*)", re.DOTALL)
NAME = re.compile(r"\s*[a-zA-Z](?:_\w|_\{[^{}]*\})?\s*")
NAMED = re.compile(rf"{NAME.pattern}=([^=]*)")
INTEGERS = {"k", "l", "m", "n", "t"}  # names of any integer, in a family of solutions
UNSURE = re.compile(
    r"[$%=,~:;]|\\(?:boxed|[(\[,;: ])|\d\s+\d|[^\x00-\x7f]|\d\s*\\[dt]?frac|\\text|\\circ|\\pm"
)
THOUSANDS = re.compile(r"(?<=\d)\s+(?=\d{3}(?!\d))(?<!\d{4}\s)")
SPACE = re.compile(r"\\[ ,;:>!]|\\q?quad(?![a-zA-Z])|~")
FRACTION = re.compile(r"\\[dtc]?frac\s*\d\s*\d")
MIXED = re.compile(r"\d\s*\\[dtc]?frac\s*\{?(\d+)\}?\s*\{?(\d+)\}?")
ARGUMENT = re.compile(
    r"\\(?:[dtc]?frac|[dt]?binom|sqrt)(?:\s*(?:\{[^{}]*\}|\d)){1,2}"
    r"|(?:\\[a-zA-Z]+(?:\s*\[[^\[\]{}]*\])?|[\^_])\s*(?:\{[^{}]*\}\s*)+"
)
PROSE = re.compile(r"[^\W\d_]{3}[^\W\d_]*\s+[^\W\d_]{2}")
GROUP = re.compile(r"\{([^{}]*)\}")
SIDE_BY_SIDE = re.compile(r"\d\s+\d")
MAX_DEPTH = 40
COUNTS = re.compile(r"(?:[\s,;.]|\\ |\\text\{[^{}\d]*\}|\d{1,9}(?!\d))+", re.ASCII)
SAMPLES = (0.137, 0.291, 0.463, 0.618, 0.853)
TOLERANCE = 1e-10

logging.disable(logging.WARNING)  # Math-Verify warns that it sets no limit of time: the pool does


def judge(gold: str, answer: str) -> bool:
    """Return whether `answer` means the same as `gold`."""
    gold, answer = THOUSANDS.sub("", gold), THOUSANDS.sub("", answer)
    if any(joins_numbers(extract_answer(text, "boxed") or text) for text in (gold, answer)):
        return False
    if clearly_differ(gold, answer) or count_differs(gold, answer):
        return False
    if is_same(gold, answer) or accepts(delimit(gold), delimit(answer)):
        return True
    if r"\boxed" in gold + answer:
        return False  # a whole solution: only Math-Verify looks for the answer in it
    gold, answer = tidy(gold), tidy(answer)
    return any(rule(gold, answer) for rule in RULES)


def accepts(gold: str, answer: str) -> bool:
    """Return whether Math-Verify takes both for the same, and they do not differ after all."""
    left, right = read(gold), read(answer)
    if not left or not right or not verify(left, right, timeout_seconds=None):
        return False
    return not differ(left[0], right[0], gold + answer)


def clearly_differ(gold: str, answer: str) -> bool:
    """Return whether both are one expression each, with values that are far apart."""
    if UNSURE.search(gold) or UNSURE.search(answer):
        return False
    values = expression(gold), expression(answer)
    if not all(isinstance(value, sympy.Expr) for value in values):
        return False
    left, right = (value.free_symbols for value in values)
    if left != right and left and right:
        return False  # perhaps the same under other names
    try:
        numbers = [complex(value.subs(sample(left | right)).evalf(8)) for value in values]
    except (ArithmeticError, TypeError, ValueError):
        return False
    scale = max(map(abs, numbers))
    return 1e-6 < scale < 1e12 and abs(numbers[0] - numbers[1]) > 0.001 * scale


def joins_numbers(text: str) -> bool:
    r"""Return whether two numbers stand side by side, which the engine would add up.

    >>> joins_numbers("40 {2}"), joins_numbers(r"40\frac{4}{2}"), joins_numbers(r"1\frac12 x^{2} 3")
    (True, True, False)
    """
    if PROSE.search(text):  # the engine looks for mathematics in it
        return any(joins_numbers(part) for part in re.findall(r"\$([^$]+)\$", text))
    if any(int(part[1]) >= int(part[2]) for part in MIXED.finditer(text)):
        return True
    text = SPACE.sub(" ", FRACTION.sub("x", text))
    for _ in range(MAX_DEPTH):
        if SIDE_BY_SIDE.search(text):
            return True
        shorter = ARGUMENT.sub("x", text)  # innermost first
        if shorter == text:
            shorter = GROUP.sub(lambda group: f" {group[1]} " if is_number(group[1]) else "x", text)
        if shorter == text:
            return False
        if any(SIDE_BY_SIDE.search(part) for part in GROUP.findall(text)):
            return True
        text = shorter
    return True


def is_number(text: str) -> bool:
    """Return whether nothing but digits and operators stands in `text`."""
    return re.fullmatch(r"[\d\s.+*/()-]*", text) is not None


def count_differs(gold: str, answer: str) -> bool:
    """Return whether both count several things, in words, and the numbers are others."""
    if not (COUNTS.fullmatch(gold) and COUNTS.fullmatch(answer)):
        return False
    counts = [sorted(re.findall(r"\d+", text)) for text in (gold, answer)]
    return len(counts[0]) > 1 and counts[0] != counts[1]


@lru_cache(maxsize=10_000)
def read(text: str) -> list[Any]:
    """Return what Math-Verify finds in `text`."""
    found: list[Any] = parse(text, parsing_timeout=None)
    return found


def is_readable(text: str) -> bool:
    """Return whether Math-Verify finds mathematics in `text`."""
    return any(not isinstance(found, str) for found in read(delimit(text)))


def delimit(text: str) -> str:
    """Return `text` as mathematics, unless it says itself where that is."""
    if any(mark in text for mark in ("$", r"\boxed", r"\(", r"\[")):
        return text
    return f"${text}$"


def differ(left: Any, right: Any, texts: str) -> bool:
    """Return whether two numbers, equal when rounded, are exact and not equal."""
    if any(mark in texts for mark in (".", "%")) or not (
        isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr)
    ):
        return False
    values = sympy.simplify(left.doit()), sympy.simplify(right.doit())
    return all(value.is_Rational for value in values) and values[0] != values[1]


def tidy(text: str) -> str:
    """Return `text` with one notation for each thing."""
    text = WORDS.sub(r" \1 ", text)
    text = TOKEN.sub(lambda token: SYMBOLS.get(token[0], token[0]), text)
    text = FOREIGN.sub(" ", POWER.sub(r"^{\1}", text))
    return text.replace(".]", "]").replace(".)", ")").strip().rstrip(".")


def expression(text: str) -> Any:
    """Return the one expression that `text` is; None if it is none."""
    found = read(f"${text}$")
    value = found[0] if found else None
    return value if isinstance(value, (sympy.Basic, sympy.MatrixBase)) else None


def same_notation(gold: str, answer: str) -> bool:
    """Return whether Math-Verify accepts what `tidy` made, without groups of three digits."""
    pairs = {(gold, answer), (GROUPED.sub("", gold), GROUPED.sub("", answer))}
    return any(accepts(f"${left}$", f"${right}$") for left, right in pairs)


def same_decimal(gold: str, answer: str) -> bool:
    """Return whether both are one number with a decimal comma and a decimal point."""
    number = re.compile(r"-?\d+[.,]\d{1,2}")
    both = number.fullmatch(gold) and number.fullmatch(answer)
    return bool(both) and gold.replace(",", ".") == answer.replace(",", ".")


def same_set(gold: str, answer: str) -> bool:
    """Return whether both are the same set of reals, as intervals, inequalities or {x | ...}."""
    left, right = read_set(gold, expression), read_set(answer, expression)
    if left is None or right is None:
        return False
    if isinstance(left, sympy.FiniteSet) and isinstance(right, sympy.FiniteSet):
        return False
    return bool(left == right or sympy.SymmetricDifference(left, right) == sympy.EmptySet)


def same_function(gold: str, answer: str) -> bool:
    """Return whether both define the same function under other names: f(x) = 2x, g(n) = 2n."""
    left, right = FUNCTION.fullmatch(gold), FUNCTION.fullmatch(answer)
    if left is None or right is None:
        return False
    bodies = expression(left[3]), expression(right[3])
    if not all(isinstance(body, sympy.Expr) for body in bodies):
        return False
    old, new = (sympy.Symbol(side[2], real=True) for side in (right, left))
    return same_value(bodies[0], bodies[1].subs(old, new))


def same_family(gold: str, answer: str) -> bool:
    r"""Return whether both are one family over an integer of another name: k\pi and n\pi."""
    sides = [NAMED.fullmatch(text) for text in (gold, answer)]
    values = [
        expression(side[1] if side else text)
        for side, text in zip(sides, (gold, answer), strict=True)
    ]
    if not all(isinstance(value, sympy.Expr) for value in values):
        return False
    symbols = [value.free_symbols for value in values]
    names = [{symbol.name for symbol in some} for some in symbols]
    if any(len(some) != 1 or not some <= INTEGERS for some in names) or r"\pi" not in gold:
        return False
    return same_value(values[0], values[1].subs(symbols[1].pop(), symbols[0].pop()))


def same_vector(gold: str, answer: str) -> bool:
    """Return whether one is a column or row and the other the tuple of its entries."""
    values = [expression(gold), expression(answer)]
    if sum(isinstance(value, sympy.MatrixBase) and 1 in value.shape for value in values) != 1:
        return False
    pair = [v.args[:2] if isinstance(v, sympy.Interval) else v for v in values]  # read as (a, b)
    if not all(isinstance(value, (tuple, sympy.Tuple, sympy.MatrixBase)) for value in pair):
        return False
    left, right = map(list, pair)
    return len(left) == len(right) and all(map(same_value, left, right))


def same_solved(gold: str, answer: str) -> bool:
    """Return whether one is an equation that, solved for a symbol, gives the other."""
    for left, right in ((gold, answer), (answer, gold)):
        sides = left.split("=")
        if len(sides) != 2 or "=" in right:
            continue
        value, *parts = (expression(text) for text in (right, sides[1], sides[0]))
        if NAME.fullmatch(sides[0]):
            return same_value(value, parts[0])
        if not all(isinstance(part, sympy.Expr) for part in (value, *parts)):
            continue
        difference = parts[0] - parts[1]
        unknown = difference.free_symbols - value.free_symbols
        if len(unknown) == 1:
            slope = sympy.diff(difference, symbol := unknown.pop())
            if slope.is_number and slope != 0:  # linear, so that there is one solution
                return same_value(*(part.subs(symbol, value) for part in parts))
    return False


def same_expression(gold: str, answer: str) -> bool:
    """Return whether both are expressions in the same symbols with equal values."""
    left, right = expression(gold), expression(answer)
    if not isinstance(left, sympy.Expr) or not isinstance(right, sympy.Expr):
        return False
    return left.free_symbols == right.free_symbols and same_value(left, right)


def same_value(left: Any, right: Any) -> bool:
    """Return whether two expressions agree wherever they are sampled, to many digits."""
    if not isinstance(left, sympy.Expr) or not isinstance(right, sympy.Expr):
        return False
    symbols = left.free_symbols | right.free_symbols
    if not symbols:
        return left == right or is_close(left, right)
    for shift in range(len(SAMPLES)):
        values = sample(symbols, shift)
        if not is_close(left.subs(values), right.subs(values)):
            return False
    return True


def sample(symbols: Iterable[Any], shift: int = 0) -> Mapping[Any, float]:
    """Return a value for each symbol, all different."""
    names = enumerate(sorted(symbols, key=str))
    return {symbol: SAMPLES[(i + shift) % len(SAMPLES)] + i // len(SAMPLES) for i, symbol in names}


def is_close(left: Any, right: Any) -> bool:
    """Return whether two numbers are finite, and equal if they are rational, else close."""
    left, right = left.doit(), right.doit()
    if left.is_Rational and right.is_Rational:
        return bool(left == right)
    values = [complex(side.evalf(20)) for side in (left, right)]
    scale = max(map(abs, values))
    return scale < float("inf") and abs(values[0] - values[1]) <= TOLERANCE * scale


def guarded(rule: Any) -> Any:
    """Return `rule`, that says no where the reading of a text fails."""

    def answer(*texts: str) -> bool:
        try:
            return bool(rule(*texts))
        except (ArithmeticError, AttributeError, TypeError, ValueError, RecursionError):
            return False

    return answer


is_same = guarded(same_expression)  # tried first: sampling is cheaper than simplifying
RULES = [
    guarded(rule)
    for rule in (
        same_decimal, same_set, same_function, same_family, same_vector, same_solved,
        same_expression, same_notation,
    )
]  # fmt: skip

judge("x^2 + 2x + 1", "(x + 1)^2")  # the first call is slow: here, no limit of time runs yet
