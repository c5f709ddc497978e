r"""Equations: linear, quadratic and systems of linear ones, with rational solutions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from math import gcd, isqrt

import numpy as np

from edgewise.errors import unknown
from edgewise.frame import Frame
from edgewise.number import SPACE, read_exact
from edgewise.task import MAX_DRAWS, Preset, Task, Unsolvable

Side = tuple[int, ...]  # the constant, then the coefficients of x, y, z or of x, x^2
Row = list[int]  # the coefficients of the unknowns, then what they add up to

NAMES = "xyz"
KINDS = ("one_side", "two_sides", "quadratic", "system")
MAX_ANSWER = 300
NOISE = re.compile(r"\\left|\\right|\\[,;:! ]|[$\s]")
WORDS = re.compile(
    r"\\(?:text|mathrm)\{ *(?:or|and) *\}|\\(?:lor|land|quad|qquad)(?![a-z])|;|or|and"
)
TUPLE = re.compile(r"(?:\(x,y(?:,z)?\)=)?\(([^()]*)\)")
BRACES = re.compile(r"(?:x(?:\\in|=))?\\?\{(.*?)\\?\}")
PLUS_MINUS = re.compile(r"^(?:x=)?(?:\\pm|±)(.*)$")
SIGN = re.compile(r"(?<=[^=])([-+=])")  # between two terms or sides
NAMED = re.compile(r"([xyz])(?:_(?:\d|\{\d\}))?=(.*)", re.ASCII)


@dataclass(frozen=True)
class Problem:
    """Equations, each a left and a right side, in some of x, y and z or, if quadratic, in x."""

    equations: tuple[tuple[Side, Side], ...]
    quadratic: bool = False

    @property
    def names(self) -> str:
        """Return the unknowns."""
        return "x" if self.quadratic else NAMES[: len(self.equations)]


def level(
    kind: str, max_root: int, max_coefficient: int, num_unknowns: int = 1
) -> dict[str, object]:
    """Return the arguments of `generate`."""
    return {
        "kind": kind,
        "max_root": max_root,
        "max_coefficient": max_coefficient,
        "num_unknowns": num_unknowns,
    }


@dataclass(frozen=True)
class Equations(Task[Problem]):
    r"""Solve an equation, or a system of equations, over the rational numbers.

    Levels: 3, 4, 5, 6 and 12 coefficients, which are a x + b = c; a x + b = c x + d;
    a x^2 + b x + c = d x + e; two and three linear equations in as many unknowns.

    Solutions of a quadratic equation may be in any order, and values may be named, as in x = 3.

    Example:
        >>> task = Equations()
        >>> problem = Problem((((1, -3, 1), (-1, 0, 0)),), quadratic=True)  # x^2 - 3x + 1 = -1
        >>> task.verify(problem, "x = 2 or x = 1"), task.verify(problem, r"\{1, 2\}")
        (True, True)
        >>> task.verify(problem, "1")
        False
        >>> task.demonstrate(problem)
        'x^2-3x+2=0,D=9-8=1,s=1,x=(3+1)/2=2,x=(3-1)/2=1,\\boxed{1, 2}'
    """

    held_out_percent = 27  # so that validation and test problems are fast to draw
    presets = {
        "plain": Preset(
            template=(
                "Solve {latex} for {unknowns}. Give the exact {form}, as integers or fractions, in "
                r"\boxed{{}}."
            ),
            levels={
                1: level("one_side", 60, 30),
                2: level("two_sides", 30, 20),
                3: level("quadratic", 20, 12),
                4: level("system", 12, 12, 2),
                5: level("system", 9, 9, 3),
            },
            ood=(5,),
            frame=Frame(max_completion_tokens=2048),
        ),
        "seedling": Preset(
            template=r"{compact} \boxed{{}}:",
            levels={
                1: level("one_side", 30, 30),
                2: level("two_sides", 20, 9),
                3: level("quadratic", 9, 9),
                4: level("system", 9, 9, 2),
                5: level("system", 5, 5, 3),
            },
            ood=(5,),
            answer="boxed",
            frame=Frame(max_prompt_tokens=64, max_completion_tokens=256),
        ),
    }

    def generate(
        self,
        rng: np.random.Generator,
        *,
        kind: str,
        max_root: int,
        max_coefficient: int,
        num_unknowns: int = 1,
    ) -> Problem:
        """Draw solutions first, then equations that they solve.

        Args:
            rng: The source of all that is drawn.
            kind: "one_side", "two_sides", "quadratic" or "system".
            max_root: Solutions, or their numerators, are at most this.
            max_coefficient: Coefficients that are drawn are at most this.
            num_unknowns: Of a system, 1 to 3.
        """
        if kind not in KINDS:
            raise ValueError(unknown("kind", kind, KINDS))
        if not 1 <= num_unknowns <= len(NAMES):
            raise ValueError(f"`num_unknowns` must be in [1, {len(NAMES)}], got {num_unknowns}")
        if kind == "system":
            return draw_system(rng, num_unknowns, max_root, max_coefficient)
        row = rng.random(8).tolist()
        a, b, c, d = (signed(u, max_coefficient) for u in row[:4])
        p, q = (int(u * (2 * max_root + 1)) - max_root for u in row[4:6])
        if kind == "one_side":
            return Problem((((b, a), (a * p + b, 0)),))
        under, below = (1 + int(3 * u) for u in row[6:])
        if kind == "two_sides":  # (left - right) x = (d - b), with x = p / under
            left, right = a * under + c, c
            return Problem((((b, left), (a * p + b, right)),))
        side = (b, d)  # (under x - p) (below x - q), and the same on both sides
        left_side = (p * q + side[0], -(p * below + q * under) + side[1], under * below)
        return Problem(((left_side, (*side, 0)),), quadratic=True)

    def prompt(self, problem: Problem, template: str) -> str:
        """State the equations in LaTeX and in words, or in compact notation."""
        lines = write_equations(problem)
        names = [f"${name}$" for name in problem.names]
        if len(names) > 1:
            form = f"solution as $({', '.join(problem.names)})$"
        else:
            form = "solutions, separated by commas" if problem.quadratic else "solution"
        spaced = [SIGN.sub(r" \1 ", line) for line in lines]
        return template.format(
            latex=" and ".join(f"${line}$" for line in spaced),
            unknowns=" and ".join(filter(None, [", ".join(names[:-1]), names[-1]])),
            form=form,
            compact=";".join(lines),
        )

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` gives the solutions, all of them and no others."""
        values = read_values(answer, problem)
        if values is None:
            return False
        try:
            return values == solutions(problem)
        except Unsolvable:
            return False

    def solve(self, problem: Problem) -> str:
        """Return the value of each unknown, or the solutions from the least on."""
        text = ", ".join(map(str, solutions(problem)))
        return f"({text})" if len(problem.names) > 1 else text

    def demonstrate(self, problem: Problem) -> str:
        """Use the quadratic formula, or eliminate one unknown after the other."""
        steps = quadratic_steps(problem) if problem.quadratic else elimination_steps(problem)
        return ",".join([*steps, rf"\boxed{{{self.solve(problem)}}}"])

    def canonical(self, problem: Problem) -> str:
        """Forget which side is left, the order of equations, and which unknown has which name."""
        if problem.quadratic:
            return str(sorted(problem.equations[0]))
        orders = permutations(range(1, len(problem.names) + 1))
        return min(str(sorted(map(str, renamed(problem, order)))) for order in orders)


def signed(u: float, largest: int) -> int:
    """Return an integer from -largest to largest, but not 0, for `u` in [0, 1)."""
    value = int(2 * u * largest) - largest
    return value if value < 0 else value + 1


def draw_system(
    rng: np.random.Generator, size: int, max_root: int, max_coefficient: int
) -> Problem:
    """Draw a system with one integer solution."""
    for _ in range(MAX_DRAWS):
        row = rng.random(size * (size + 1)).tolist()
        roots = [int(u * (2 * max_root + 1)) - max_root for u in row[:size]]
        flat = [signed(u, max_coefficient) for u in row[size:]]
        rows = [flat[i : i + size] for i in range(0, size * size, size)]
        totals = [sum(a * x for a, x in zip(row, roots, strict=True)) for row in rows]
        if eliminate([[*row, total] for row, total in zip(rows, totals, strict=True)]) is not None:
            none = (0,) * size
            sides = [((0, *row), (total, *none)) for row, total in zip(rows, totals, strict=True)]
            return Problem(tuple(sides))
    raise RuntimeError(f"none of {MAX_DRAWS} systems of {size} has one solution")


def moved(equation: tuple[Side, Side]) -> Row:
    """Return left minus right, the constant first."""
    return [a - b for a, b in zip(*equation, strict=True)]


def matrix(problem: Problem) -> list[Row]:
    """Return the rows of a linear system: coefficients, then what they add up to."""
    return [[*row[1:], -row[0]] for row in map(moved, problem.equations)]


def eliminate(rows: list[Row], steps: list[str] | None = None) -> list[Row] | None:
    """Return rows of which each has one unknown less, without fractions; None if one is free.

    Every new row, divided by its greatest divisor, is written to `steps`.
    """
    rows, done = list(rows), list[Row]()
    for place in range(len(rows)):
        pivot = next((row for row in rows if row[place]), None)
        if pivot is None:
            return None
        rows.remove(pivot)
        done.append(pivot)
        for i, row in enumerate(rows):
            if row[place]:
                made = [pivot[place] * b - row[place] * a for a, b in zip(pivot, row, strict=True)]
                first = next((value for value in made if value), 1)
                divisor = gcd(*made) if first > 0 else -gcd(*made)
                rows[i] = [value // (divisor or 1) for value in made]
                if steps is not None:
                    steps.append(write_row(rows[i]))
    return done


def substitute(rows: Sequence[Row], steps: list[str] | None = None) -> tuple[Fraction, ...]:
    """Return the solution of rows of which each has one unknown less, from the last row on."""
    values: list[Fraction] = []
    for place in range(len(rows) - 1, -1, -1):
        row = rows[place]
        known = zip(row[place + 1 : -1], values, strict=True)
        total = row[-1] - sum(a * x for a, x in known)
        values.insert(0, Fraction(total) / row[place])
        if steps is not None:
            shown = (f"{term(row[place], NAMES[place])}={total}", f"{NAMES[place]}={values[0]}")
            steps.extend(text for text in dict.fromkeys(shown) if text not in steps[-1:])
    return tuple(values)


def solutions(problem: Problem) -> tuple[Fraction, ...]:
    """Return the value of each unknown, or the solutions of a quadratic equation, ascending."""
    if not problem.quadratic:
        rows = eliminate(matrix(problem))
        if rows is None:
            raise Unsolvable(f"`equations` must have one solution, got {problem.equations}")
        return substitute(rows)
    c, b, a = moved(problem.equations[0])
    square = b * b - 4 * a * c
    if a == 0 or square < 0 or isqrt(square) ** 2 != square:
        raise Unsolvable(f"`equations` must have rational solutions, got {problem.equations}")
    roots = {Fraction(-b + sign * isqrt(square), 2 * a) for sign in (-1, 1)}
    return tuple(sorted(roots))


def quadratic_steps(problem: Problem) -> list[str]:
    """Write the quadratic formula out."""
    c, b, a = moved(problem.equations[0])
    square = b * b - 4 * a * c
    root, product = isqrt(square), 4 * a * c
    minus = f"+{-product}" if product < 0 else f"-{product}"
    steps = [f"{write_side((c, b, a), True)}=0", f"D={b * b}{minus}={square}", f"s={root}"]
    for sign, value in (("+", -b + root), ("-", -b - root)):
        steps.append(f"x=({-b}{sign}{root})/{2 * a}={Fraction(value, 2 * a)}")
    return steps


def elimination_steps(problem: Problem) -> list[str]:
    """Write out what elimination makes of the equations, then the unknowns from the last on."""
    steps: list[str] = []
    rows = eliminate(matrix(problem), steps)
    if rows is None:
        raise Unsolvable(f"`equations` must have one solution, got {problem.equations}")
    substitute(rows, steps)
    return steps


def read_values(answer: str, problem: Problem) -> tuple[Fraction, ...] | None:
    """Return the values that `answer` gives to the unknowns, or the set it gives to x."""
    if len(answer) > MAX_ANSWER:
        return None
    text = SPACE.sub("", WORDS.sub(",", NOISE.sub(" ", answer)))
    if problem.quadratic:
        text = PLUS_MINUS.sub(r"\1,-\1", text)
    shape = BRACES if len(problem.names) == 1 else TUPLE
    match = shape.fullmatch(text)
    parts = [part for part in (match[1] if match else text).split(",") if part]
    named = [NAMED.fullmatch(part) for part in parts]
    numbers = [
        read_exact(name[2] if name else part) for name, part in zip(named, parts, strict=True)
    ]
    if not numbers or None in numbers:
        return None
    values = [value for value in numbers if value is not None]
    names = [name[1] for name in named if name]
    if problem.quadratic:
        return tuple(sorted(set(values))) if set(names) <= {"x"} else None
    if len(values) != len(problem.names) or (names and sorted(names) != sorted(problem.names)):
        return None
    return tuple(value for _, value in sorted(zip(names or problem.names, values, strict=True)))


def write_equations(problem: Problem) -> list[str]:
    """Return each equation in compact notation."""
    return [
        "=".join(write_side(side, problem.quadratic) for side in equation)
        for equation in problem.equations
    ]


def write_side(side: Sequence[int], quadratic: bool) -> str:
    """Return a side: powers of x from the highest on, or the unknowns in order.

    >>> write_side((5, -3, 1), quadratic=True), write_side((5, -3, 1), quadratic=False)
    ('x^2-3x+5', '-3x+y+5')
    """
    constant, *others = side
    names = ("x", "x^2") if quadratic else NAMES[: len(others)]
    terms = [term(a, name) for a, name in zip(others, names, strict=True)]
    return add([*(reversed(terms) if quadratic else terms), term(constant, "")])


def write_row(row: Row) -> str:
    """Return a row as an equation."""
    return f"{write_side((0, *row[:-1]), False)}={row[-1]}"


def term(factor: int, name: str) -> str:
    """Return factor times name; empty if that is 0."""
    if factor == 0 or not name:
        return str(factor or "")
    return {1: name, -1: f"-{name}"}.get(factor, f"{factor}{name}")


def add(terms: Sequence[str]) -> str:
    """Return a sum."""
    text = "+".join(filter(None, terms)).replace("+-", "-")
    return text or "0"


def renamed(problem: Problem, order: Sequence[int]) -> list[list[Side]]:
    """Return the sides of each equation with the unknowns in another order."""
    return [
        sorted((side[0], *[side[place] for place in order]) for side in equation)
        for equation in problem.equations
    ]
