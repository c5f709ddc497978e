r"""Read an arithmetic expression as a model writes it, plainly or in LaTeX, and evaluate it.

The grammar, which has nothing else: whole numbers; ``+ - * /`` and their signs and commands
(``×``, ``\cdot``, ``\div``, ...); parentheses, with ``\left`` and the like; ``\frac``, ``\dfrac``,
``\tfrac`` and ``\cfrac``; braces, which are not seen in print and so group nothing; spaces. Around
it may stand ``$...$``, ``\(...\)`` or ``\[...\]``, and after it one full stop and ``= target``.
"""

from __future__ import annotations

import re
from fractions import Fraction

OPERATIONS = "+-*/"
PRECEDENCE = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2, "negate": 3}
TOKEN = re.compile(r"\d+|[-+*/()]", re.ASCII)
MAX_LENGTH = 500  # characters, which bounds the nesting as well
PLAIN = re.compile(r"([\d+\-*/() ]+)(?:= *(\d{1,10}) *)?", re.ASCII)
LEXEME = re.compile(
    r"""(?P<space> [ \t]+ | \\[,;:!\ ] | ~ | \\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])[ ]*(?=[()]) )
      | (?P<number> \d+ )
      | (?P<sign> [-+*/] | [\u00d7\u00b7\u22c5\u2217\u00f7\u2212\u2013]
                | \\(?:times|cdot|ast|div)(?![A-Za-z]) )
      | (?P<fraction> \\[dtc]?frac(?![A-Za-z]) )
      | (?P<bracket> [(){}] )""",
    re.VERBOSE | re.ASCII,
)
SIGNS = {
    "\u00d7": "*", "\u00b7": "*", "\u22c5": "*", "\u2217": "*", r"\times": "*", r"\cdot": "*", r"\ast": "*",
    "\u00f7": "/", r"\div": "/", "\u2212": "-", "\u2013": "-",
}  # fmt: skip
FORMULA = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
TARGET = re.compile(r"\d{1,10}", re.ASCII)

Value = int | Fraction
Step = tuple[str, Value, Value, Value]  # operation, left, right, result


def read_equation(text: str) -> tuple[list[str], int | None] | None:
    r"""Split an equation into the tokens of its expression and its stated result, if it has one.

    None if the text is anything else; whether the tokens make an expression is left open.

    >>> read_equation(r"$\frac{6}{2} \cdot 4 = 12$.")
    (['(', '(', '6', ')', '/', '(', '2', ')', ')', '*', '4'], 12)
    >>> read_equation("2 ** 3 = 8"), read_equation("2^3"), read_equation("3.7")
    ((['2', '*', '*', '3'], 8), None, None)
    """
    if len(text) > MAX_LENGTH:
        return None
    if plain := PLAIN.fullmatch(text):  # most answers
        return TOKEN.findall(plain[1]), int(plain[2]) if plain[2] else None
    text = text.strip()
    body = uncover(text.removesuffix("."))  # one full stop, after the formula or in it
    left, equals, right = (body if text.endswith(".") else body.removesuffix(".")).partition("=")
    value = TARGET.fullmatch(uncover(right)) if equals else None
    tokens = read_tokens(uncover(left))
    if tokens is None or (equals and value is None):
        return None
    return tokens, int(value[0]) if value else None


def uncover(text: str) -> str:
    """Return `text` without what marks the whole of it as a formula."""
    text = text.strip()
    for opening, closing in FORMULA:
        inside = text.removeprefix(opening).removesuffix(closing)
        marks = len(text) - len(inside)
        if marks == len(opening + closing) and opening not in inside and closing not in inside:
            return inside.strip()
    return text


def read_tokens(text: str) -> list[str] | None:
    r"""Return numbers, ``+ - * /`` and parentheses; None if `text` has anything else.

    A fraction becomes ``((top)/(bottom))``. Brackets must be closed in order.
    """
    tokens: list[str] = []
    opened: list[str] = []  # "(" and "{", or which part of a fraction a brace holds
    wanted = ""  # the part of a fraction that must come next
    place = 0
    while place < len(text):
        match = LEXEME.match(text, place)
        if match is None:
            return None
        kind, found, place = match.lastgroup, match[0], match.end()
        if kind == "space":
            continue
        if wanted and kind == "number":  # one digit, as in \frac12
            place = match.start() + 1
            tokens += ["(", found[0]]
            wanted = close_part(tokens, wanted)
        elif wanted and found == "{":
            tokens.append("(")
            opened.append(wanted)
            wanted = ""
        elif wanted:
            return None
        elif kind == "fraction":
            tokens.append("(")
            wanted = "top"
        elif kind != "bracket":
            tokens.append(SIGNS.get(found, found))
        elif found in "({":
            tokens += "(" * (found == "(")
            opened.append(found)
        elif not opened or (found == ")") != (opened[-1] == "("):
            return None
        elif (part := opened.pop()) == "(":
            tokens.append(")")
        elif part != "{":
            wanted = close_part(tokens, part)
    return None if opened or wanted else tokens


def close_part(tokens: list[str], part: str) -> str:
    """End a part of a fraction, and return the one that must come next, "" after the last."""
    tokens += ")/" if part == "top" else "))"
    return "bottom" if part == "top" else ""


def evaluate(tokens: list[str], steps: list[Step]) -> Value | None:
    """Evaluate exactly, appending each operation to `steps`; None if it is no expression.

    Dijkstra's two stacks: linear in the count of tokens, without recursion.
    """
    values: list[Value] = []
    pending: list[str] = []
    ended = False  # whether the last token ended an operand
    for token in tokens:
        if token == ")":
            if not ended or not apply(values, pending, 1, steps) or not pending:
                return None
            pending.pop()
        elif ended:
            if token not in OPERATIONS or not apply(values, pending, PRECEDENCE[token], steps):
                return None
            pending.append(token)
            ended = False
        elif token == "(":
            pending.append(token)
        elif token == "-":
            pending.append("negate")
        elif token.isdigit():
            values.append(int(token))
            ended = True
        else:
            return None
    if not ended or not apply(values, pending, 1, steps) or pending:
        return None
    return values[0]


def apply(values: list[Value], pending: list[str], least: int, steps: list[Step]) -> bool:
    """Carry out the pending operations of at least that precedence; False if one divides by 0."""
    while pending and PRECEDENCE[pending[-1]] >= least:
        operation = pending.pop()
        if operation == "negate":
            values[-1] = -values[-1]
            continue
        right, left = values.pop(), values[-1]
        value = operate(operation, left, right)
        if value is None:
            return False
        values[-1] = value
        steps.append((operation, left, right, value))
    return True


def operate(operation: str, left: Value, right: Value) -> Value | None:
    """Return the exact result, an int if it is whole; None for a division by 0."""
    if operation == "+":
        return left + right
    if operation == "-":
        return left - right
    if operation == "*":
        return left * right
    if right == 0:
        return None
    return Fraction(left) / right if left % right else int(left // right)
