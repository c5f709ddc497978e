r"""Calculus: derivatives and antiderivatives of powers, exponentials, sines and logarithms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from edgewise.envs.calculus.functions import Function, Unreadable, derive, same
from edgewise.envs.calculus.reader import read_function
from edgewise.errors import unknown
from edgewise.frame import Frame
from edgewise.task import MAX_DRAWS, Preset, Task

KINDS = ("derivative", "antiderivative")
FACTORS = ("power", "growth", "wave", "log")
ARTICLES = {"derivative": "the derivative", "antiderivative": "an antiderivative"}
OTHER = {"sin": ("cos", 1), "cos": ("sin", -1)}  # the derivative, and its sign


class Term(NamedTuple):
    """coefficient * x^power * (ln x)^log * e^(a x^k) * sin or cos of (b x^k)."""

    coefficient: Fraction
    power: int = 0
    log: int = 0
    growth: tuple[int, int] = (0, 0)  # a and k
    wave: tuple[str, int, int] = ("", 0, 0)  # name, b and k


@dataclass(frozen=True)
class Problem:
    """Differentiate the sum of `terms`, or find it from its derivative."""

    kind: str
    terms: tuple[Term, ...]


def ladder(*sizes: tuple[int, int, int, int]) -> dict[int, dict[str, int]]:
    """Return levels of those counts of terms and factors, coefficients and inner degrees."""
    names = ("num_terms", "num_factors", "max_coefficient", "max_inner")
    return {level: dict(zip(names, size, strict=True)) for level, size in enumerate(sizes, start=1)}


LEVELS = ladder((2, 0, 99, 1), (3, 1, 9, 1), (2, 2, 9, 1), (3, 2, 9, 2), (4, 2, 9, 2))


@dataclass(frozen=True)
class Calculus(Task[Problem]):
    r"""Differentiate a function of x, or find an antiderivative of one.

    Levels: 2, 3, 4, 6 and 8 factors to differentiate. At level 1 they are powers of x; from level 2
    on also e^{ax}, sin(ax), cos(ax) and ln(x); from level 3 on there are products of two; from level
    4 on, x^2 may stand inside. The two kinds are equally likely; `arms="kind"` tells them apart.

    Any equal function is right, compared exactly; an antiderivative, up to a constant.

    Example:
        >>> task = Calculus()
        >>> terms = (Term(Fraction(3), power=2), Term(Fraction(1), wave=("sin", 2, 1)))
        >>> task.verify(Problem("derivative", terms), r"6x + 4\cos^2 x - 2")
        True
        >>> task.verify(Problem("antiderivative", terms), "3x^2 + 2 sin(x)cos(x) + C")
        True
        >>> task.demonstrate(Problem("derivative", terms))
        "(3x^2)'=6x,(sin(2x))'=2cos(2x),\\boxed{6x+2cos(2x)}"
    """

    held_out_percent = 27  # so that validation and test problems are fast to draw
    presets = {
        "plain": Preset(
            template=(
                "Find {article} of $f(x) = {latex}$ with respect to $x$, for $x > 0$. Give it as a "
                r"function of $x$ in \boxed{{}}."
            ),
            levels=LEVELS,
            ood=(5,),
            frame=Frame(max_completion_tokens=2048),
        ),
        "seedling": Preset(
            template=r"{kind} {compact} \boxed{{}}:",
            levels=LEVELS,
            ood=(5,),
            answer="boxed",
            frame=Frame(max_prompt_tokens=320, max_completion_tokens=768),
        ),
    }

    def generate(
        self,
        rng: np.random.Generator,
        *,
        num_terms: int,
        num_factors: int,
        max_coefficient: int,
        max_inner: int,
        kind: str | None = None,
    ) -> Problem:
        """Draw terms that are no multiples of each other.

        Args:
            rng: The source of all that is drawn.
            num_terms: How many, at least 1.
            num_factors: Of each term, 1 or 2; 0 means a power of x.
            max_coefficient: Coefficients are at most this.
            max_inner: The largest power of x inside an exponential, a sine or a cosine.
            kind: "derivative" or "antiderivative"; by default either.
        """
        if kind is not None and kind not in KINDS:
            raise ValueError(unknown("kind", kind, KINDS))
        if num_terms < 1:
            raise ValueError(f"`num_terms` must be at least 1, got {num_terms}")
        if num_factors not in (0, 1, 2):
            raise ValueError(f"`num_factors` must be 0, 1 or 2, got {num_factors}")
        chosen = kind or KINDS[int(rng.random() * 2)]
        for _ in range(MAX_DRAWS):
            rows = rng.random((num_terms, 10)).tolist()
            terms = [draw_term(row, num_factors, max_coefficient, max_inner) for row in rows]
            if chosen == "antiderivative":
                terms = [divided(term) for term in terms]
            if len({term[1:] for term in terms}) == num_terms and differentiate(terms):
                return Problem(chosen, tuple(terms))
        raise RuntimeError(f"no {num_terms} different terms of {num_factors} factors")

    def prompt(self, problem: Problem, template: str) -> str:
        """State the function in LaTeX or in compact notation."""
        terms: Iterable[Term] = problem.terms
        if is_inverse(problem):  # in an order that does not tell what came from the same term
            terms = sorted(differentiate(terms), key=lambda term: term[1:], reverse=True)
        return template.format(
            article=ARTICLES[problem.kind],
            kind=problem.kind[0],
            latex=write(terms, write_latex),
            compact=write(terms, write_compact),
        )

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` is the derivative, or has the derivative that is given."""
        parsed = read_function(answer)
        if parsed is None:
            return False
        try:
            return same(derive(parsed) if is_inverse(problem) else parsed, slope_of(problem))
        except Unreadable:
            return False

    def solve(self, problem: Problem) -> str:
        """Return the derivative, or the antiderivative, in LaTeX."""
        if is_inverse(problem):
            return f"{write(problem.terms, write_latex)} + C"
        return write(differentiate(problem.terms), write_latex)

    def demonstrate(self, problem: Problem) -> str:
        """Differentiate term by term; an antiderivative is checked so."""
        steps = []
        for term in problem.terms:
            slope = write(differentiate([term]), write_compact)
            steps.append(f"({write([term], write_compact)})'={slope}")
        answer = problem.terms if is_inverse(problem) else differentiate(problem.terms)
        return ",".join([*steps, rf"\boxed{{{write(answer, write_compact)}}}"])

    def canonical(self, problem: Problem) -> str:
        """Forget the order of terms."""
        return f"{problem.kind} {sorted(write([term], write_compact) for term in problem.terms)}"

    def divisions(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return one part for derivatives and one for antiderivatives."""
        if kind != "kind":
            raise ValueError(f"`arms` must be None, a list or 'kind', got {kind!r}")
        return [{"kind": name} for name in KINDS]


def is_inverse(problem: Problem) -> bool:
    """Return whether the derivative is given."""
    return problem.kind == "antiderivative"


@lru_cache(maxsize=1_000)
def slope_of(problem: Problem) -> Function:
    """Return the derivative of the terms."""
    function = read_function(write(problem.terms, write_compact))
    if function is None:
        raise Unreadable(f"terms that are too large: {problem.terms}")
    return derive(function)


def signed(u: float, largest: int) -> int:
    """Return an integer from -largest to largest, but not 0, for `u` in [0, 1)."""
    value = int(2 * u * largest) - largest
    return value if value < 0 else value + 1


def draw_term(row: list[float], num_factors: int, max_coefficient: int, max_inner: int) -> Term:
    """Return a term with factors of different kinds, of ten numbers in [0, 1)."""
    order = sorted(range(len(FACTORS)), key=row.__getitem__)
    kinds = [FACTORS[place] for place in order[:num_factors]] or ["power"]
    coefficient, power, first, second, name, inner = row[4:]
    degree = 1 + int(inner * max_inner)
    return Term(
        Fraction(signed(coefficient, max_coefficient)),
        1 + int(power * (6 if num_factors < 2 else 3)) if "power" in kinds else 0,
        int("log" in kinds),
        (signed(first, 4), degree) if "growth" in kinds else (0, 0),
        (("sin", "cos")[int(name * 2)], 1 + int(second * 4), degree)
        if "wave" in kinds
        else ("", 0, 0),
    )


def divided(term: Term) -> Term:
    """Return a term whose derivative has its coefficient, if it is a power; else the same term."""
    if term[2:] != Term(Fraction(1))[2:]:
        return term
    return term._replace(coefficient=term.coefficient / term.power)


def differentiate(terms: Iterable[Term]) -> list[Term]:
    """Return the derivative, by the product and chain rules, with equal terms collected."""
    total: dict[tuple[Any, ...], Fraction] = {}
    for term in terms:
        for made in slopes(term):
            total[made[1:]] = total.get(made[1:], Fraction(0)) + made.coefficient
    return [Term(value, *rest) for rest, value in total.items() if value]


def slopes(term: Term) -> list[Term]:
    """Return the derivative of one term, a part for each of its factors."""
    value, power, log, (a, k), (name, b, j) = term
    parts = []
    if power:
        parts.append(term._replace(coefficient=value * power, power=power - 1))
    if log:
        parts.append(term._replace(coefficient=value * log, power=power - 1, log=log - 1))
    if a:
        parts.append(term._replace(coefficient=value * a * k, power=power + k - 1))
    if name:
        other, sign = OTHER[name]
        turned = term._replace(power=power + j - 1, wave=(other, b, j))
        parts.append(turned._replace(coefficient=value * sign * b * j))
    return parts


Writer = Callable[[Term], str]  # of a term with a positive coefficient


def write(terms: Iterable[Term], writer: Writer) -> str:
    """Write a sum; in LaTeX with spaces around signs."""
    space = " " if writer is write_latex else ""
    text = ""
    for term in terms:
        sign = "-" if term.coefficient < 0 else "+" if text else ""
        text += f"{space if text else ''}{sign}{space if text else ''}"
        text += writer(term._replace(coefficient=abs(term.coefficient)))
    return text or "0"


def write_latex(term: Term) -> str:
    """Write a term in LaTeX; a negative power of x as a fraction."""
    top, bottom = term.coefficient.numerator, term.coefficient.denominator
    factors = [raised("x", term.power)] if term.power > 0 else []
    factors += [raised(r"\ln(x)", 1)] if term.log else []
    factors += [f"e^{{{inner(*term.growth)}}}"] if term.growth[0] else []
    factors += [rf"\{term.wave[0]}({inner(*term.wave[1:])})"] if term.wave[0] else []
    below = [str(bottom)] if bottom > 1 else []
    below += [raised("x", -term.power)] if term.power < 0 else []
    above = [str(top)] if top > 1 or not factors else []
    if not below:
        return " ".join([*above, *factors])
    if bottom == 1:  # what is divided by x stands above
        return rf"\frac{{{' '.join([*above, *factors])}}}{{{below[0]}}}"
    return " ".join([rf"\frac{{{top}}}{{{' '.join(below)}}}", *factors])


def write_compact(term: Term) -> str:
    """Write a term without spaces and backslashes."""
    top, bottom = term.coefficient.numerator, term.coefficient.denominator
    text = raised("x", term.power) if term.power > 0 else ""
    text += "ln(x)" if term.log else ""
    text += f"e^({inner(*term.growth)})" if term.growth[0] else ""
    text += f"{term.wave[0]}({inner(*term.wave[1:])})" if term.wave[0] else ""
    text = f"{top}{text}" if top > 1 or not text else text
    text += f"/{bottom}" if bottom > 1 else ""
    return text + (f"/{raised('x', -term.power)}" if term.power < 0 else "")


def raised(base: str, power: int) -> str:
    """Return a power, without the exponent 1."""
    return base if power == 1 else f"{base}^{power}"


def inner(factor: int, power: int) -> str:
    """Return factor * x^power, without the factor 1."""
    return f"{ {1: '', -1: '-'}.get(factor, factor) }{raised('x', power)}"
