"""Judges of answers to Reasoning Gym where its own scorers run text or credit wrong answers.

None of them evaluates anything: a text is matched, taken apart, and compared exactly.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from edgewise.envs.calculus.functions import Unreadable, derive, same
from edgewise.envs.calculus.reader import read_function
from edgewise.envs.countdown import task
from edgewise.number import read_exact

FAILURES = (  # what their generators and scorers raise
    ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
MAX_LENGTH = 20_000  # of an answer
NUMBER = re.compile(r"[+-]?\d{1,100}(?:\.\d{1,100})?", re.ASCII)
QUOTIENT = re.compile(r"([+-]?\d{1,100})\s*/\s*(\d{1,100})", re.ASCII)
FRACTION = re.compile(r"\\d?frac\s*\{\s*(\d{1,100})\s*\}\s*\{\s*(\d{1,100})\s*\}", re.ASCII)
FACTOR = r"(?:\d{1,100}|[a-zA-Z](?:\^\d{1,3})?)"
TERM = rf"{FACTOR}(?:\*{FACTOR})*"
POLYNOMIAL = re.compile(rf"[+-]?{TERM}(?:[+-]{TERM})*", re.ASCII)
SIGNED_TERM = re.compile(rf"([+-]?)({TERM})", re.ASCII)
APART = re.compile(r"\w\s+\w")  # two words or numbers, which are not one
ITEM = r"(?:[-*•]|\(?\d{1,3}[.)]) "  # what begins an item of a list
AND = re.compile(rf"[,;.]? {ITEM}|[,;.]?\n(?:{ITEM})?(?:and )?|[,;.] (?:and )?| and ")
LIST = re.compile(r"\[([^\[\]]*)\]")
CLAIM = re.compile(r"(\w{1,50})\sis\san?\s(\w{1,50})")

Made = Mapping[str, Any]  # what a data set gives: question, answer, metadata


def plain(text: str) -> str:
    r"""Return `text` without what does not matter: extra spaces, signs and zeros of numbers.

    >>> plain("+07.50  a \n\n 1,024 ")
    '7.5 a\n1,024'
    """
    lines = (" ".join(map(plain_number, line.split())) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def plain_number(word: str) -> str:
    """Return a number in its shortest form, another word as it is."""
    if not NUMBER.fullmatch(word):
        return word
    whole, _, decimals = word.lstrip("+-").partition(".")
    digits = (whole.lstrip("0") or "0") + f".{decimals}".rstrip("0").rstrip(".")
    return f"-{digits}" if word.startswith("-") and digits != "0" else digits


def is_expression(made: Made, answer: str) -> bool:
    """Return whether an expression over the given numbers, each once, is equal to the target."""
    puzzle = made["metadata"]
    problem = task.Problem(tuple(puzzle["numbers"]), puzzle.get("target", 24))
    return task.Countdown().verify(problem, answer)


def is_board(made: Made, answer: str) -> bool:
    """Return whether a board is one of those that solve the puzzle."""
    return plain(answer) in map(plain, made["metadata"]["valid_answers"])


def is_polynomial(made: Made, answer: str) -> bool:
    """Return whether an expanded polynomial is equal to the known one."""
    known = terms_of(made["answer"])
    return known is not None and terms_of(answer) == known


def terms_of(text: str) -> dict[str, int] | None:
    """Return the coefficient of each product of letters; None if `text` is no sum of terms.

    >>> terms_of("2*x**2*y - 3") == terms_of("x*y*x*2 - 3")
    True
    >>> terms_of("(x + 1)*(x - 1)") is None
    True
    """
    compact = "".join(text.split()).replace("**", "^")
    if APART.search(text) or not POLYNOMIAL.fullmatch(compact):
        return None
    total = Counter[str]()
    for sign, term in SIGNED_TERM.findall(compact):
        coefficient, letters = -1 if sign == "-" else 1, Counter[str]()
        for factor in term.split("*"):
            if factor.isdigit():
                coefficient *= int(factor)
            else:
                letter, _, power = factor.partition("^")
                letters[letter] += int(power or 1)
        total[str(sorted((+letters).items()))] += coefficient
    return {letters: value for letters, value in total.items() if value}


def is_integral(made: Made, answer: str) -> bool:
    """Return whether a function has the same derivative as the known one."""
    variable = made["metadata"]["variable"]
    known, given = (
        read_function(text.replace("E**", "e^").replace(variable, "x"))
        for text in (made["answer"], answer)
    )
    if known is None or given is None:
        return False
    try:
        return same(derive(given), derive(known))
    except Unreadable:
        return False


def is_list(made: Made, answer: str) -> bool:
    """Return whether a list in brackets has the known numbers, in their order."""
    known, given = (LIST.fullmatch(text.strip()) for text in (made["answer"], answer))
    return known is not None and given is not None and items_of(given[1]) == items_of(known[1])


def items_of(text: str) -> list[str]:
    """Split at commas, without quotes."""
    return [plain(item.strip(" '\"")) for item in text.split(",")]


def are_roots(made: Made, answer: str) -> bool:
    """Return whether numbers between commas are the known ones, in any order."""
    return sorted(items_of(answer)) == sorted(items_of(made["answer"]))


def is_grid(made: Made, answer: str) -> bool:
    """Return whether a list of lists of digits is the known one."""
    return "".join(answer.split()) == "".join(made["answer"].split())


def is_fraction(made: Made, answer: str) -> bool:
    """Return whether a fraction has the numerator and the denominator that are known."""
    told, text = made["metadata"], answer.replace("$", "").strip()
    match = QUOTIENT.fullmatch(text) or FRACTION.fullmatch(text)
    known = told["simplified_numerator"], told["simplified_denominator"]
    return match is not None and (int(match[1]), int(match[2])) == known


def is_probability(made: Made, answer: str) -> bool:
    """Return whether a decimal or a fraction is the known number, as exactly as that is given."""
    value = read_exact(answer)
    return value is not None and value < 2 and float(value) == float(made["answer"])


def is_assignment(made: Made, answer: str) -> bool:
    """Return whether the claims "A is a knight, and B is a knave" are the known ones, in any order.

    They may stand in a sentence, in sentences of their own, or in a list with an item on each line.
    """
    claims = claims_of(answer)
    return claims is not None and claims == claims_of(made["answer"])


def claims_of(text: str) -> list[tuple[str, ...]] | None:
    r"""Return who is what, in alphabetical order; None if there is anything else.

    >>> claims_of("(1) Zoey is a knave,\n(2) Abe is a knight.")
    [('abe', 'knight'), ('zoey', 'knave')]
    """
    lines = [" ".join(line.split()) for line in text.lower().splitlines()]
    plainly = re.sub(f"^{ITEM}", "", "\n".join(filter(None, lines))).removesuffix(".")
    parts = AND.split(plainly)
    matches = [CLAIM.fullmatch(part) for part in parts]
    return None if None in matches else sorted(match.groups() for match in matches if match)


def is_number(made: Made, answer: str) -> bool:
    """Return whether a number, perhaps with commas between thousands, is the known one."""
    return read_exact(answer) == read_exact(made["answer"]) is not None


OURS: Mapping[str, Callable[[Made, str], bool]] = {
    "coin_flip": is_probability,
    "countdown": is_expression,
    "fraction_simplification": is_fraction,
    "game_of_life": is_grid,
    "intermediate_integration": is_integral,
    "knights_knaves": is_assignment,
    "n_queens": is_board,
    "number_format": is_number,
    "number_sorting": is_list,
    "polynomial_equations": are_roots,
    "polynomial_multiplication": is_polynomial,
    "puzzle24": is_expression,
    "simple_integration": is_integral,
}
REAL = r"[+-]?\d{1,40}(?:\.\d{1,40})?"
FORMS: Mapping[str, re.Pattern[str]] = {  # what may reach a scorer that passes over the rest
    "advanced_geometry": re.compile(rf"{REAL}°?|\({REAL}, ?{REAL}\)", re.ASCII),
    "complex_arithmetic": re.compile(r"[\d.+\-eij() ]{1,200}", re.ASCII),
    "kakurasu": re.compile(r"[01](?:[ \n][01])*"),
    "power_function": re.compile(rf"{REAL}(?:[eE][+-]?\d{{1,3}})?", re.ASCII),
    "quantum_lock": re.compile(r"[A-C](?: ?→ ?[A-C])*"),
    "sokoban": re.compile(r"[UDLR]+"),
    "tower_of_hanoi": re.compile(
        r"{0}(?:\n{0})*".format(r"Move disk \d{1,2} from Peg \d to Peg \d")
    ),
}
