r"""Number theory: divisors, inverses, powers and remainders of integers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd, lcm
from typing import Any

import numpy as np

from edgewise.errors import unknown
from edgewise.frame import Frame
from edgewise.number import read_exact
from edgewise.task import MAX_DRAWS, Preset, Task, Unsolvable

NAMED = re.compile(r"\s*\$?\s*x\s*(?:=|\\equiv)(.*)", re.DOTALL)
MODULUS = re.compile(r"\\pmod\s*\{?\s*(\d{1,9})\s*\}?\s*\$?\s*", re.ASCII)
MAX_ANSWER = 200
NUM_ARGUMENTS = {"gcd": 2, "lcm": 2, "inverse": 2, "power": 3, "congruences": 4}
QUESTIONS = {
    "gcd": "Find the greatest common divisor of ${0}$ and ${1}$.",
    "lcm": "Find the least common multiple of ${0}$ and ${1}$.",
    "inverse": "Find the integer $x$ from $0$ to ${last}$ with ${0} x \\equiv 1 \\pmod{{{1}}}$.",
    "power": "Find the remainder of ${0}^{{{1}}}$ divided by ${2}$.",
    "congruences": (
        "Find the least integer $x \\ge 0$ with $x \\equiv {0} \\pmod{{{1}}}$ and "
        "$x \\equiv {2} \\pmod{{{3}}}$."
    ),
}
COMPACT = {
    "gcd": "gcd({0},{1})",
    "lcm": "lcm({0},{1})",
    "inverse": "{0}x%{1}=1",
    "power": "{0}^{1}%{2}",
    "congruences": "x%{1}={0},x%{3}={2}",
}


@dataclass(frozen=True)
class Problem:
    """A question of one kind about some integers, in the order of `QUESTIONS`."""

    kind: str
    numbers: tuple[int, ...]


def ladder(*sizes: int) -> dict[int, dict[str, int]]:
    """Return levels with numbers of those sizes."""
    return {level: {"max_number": size} for level, size in enumerate(sizes, start=1)}


@dataclass(frozen=True)
class NumberTheory(Task[Problem]):
    r"""Answer a question about integers: gcd, lcm, inverse or power modulo m, two congruences.

    Levels: the size of the numbers, and with it the count of steps that Euclid's algorithm or
    repeated squaring takes. The kinds are equally likely; `arms="kind"` has an arm for each kind and level.

    Example:
        >>> task = NumberTheory()
        >>> problem = Problem("congruences", (2, 3, 3, 5))  # x % 3 = 2, x % 5 = 3
        >>> task.verify(problem, "x = 8"), task.verify(problem, "23")
        (True, False)
        >>> task.demonstrate(Problem("gcd", (84, 36)))
        '84%36=12,36%12=0,\\boxed{12}'
    """

    held_out_percent = 27  # so that validation and test problems are fast to draw
    presets = {
        "plain": Preset(
            template=r"{question} Give the integer in \boxed{{}}.",
            levels=ladder(300, 1_000, 4_000, 20_000, 100_000),
            ood=(5,),
            frame=Frame(max_completion_tokens=2048),
        ),
        "seedling": Preset(
            template=r"{compact} \boxed{{}}:",
            levels=ladder(200, 500, 1_200, 3_000, 8_000),
            ood=(5,),
            answer="boxed",
            frame=Frame(max_prompt_tokens=48, max_completion_tokens=512),
        ),
    }

    def generate(
        self, rng: np.random.Generator, *, max_number: int, kind: str | None = None
    ) -> Problem:
        """Draw numbers until the question has one answer.

        Args:
            rng: The source of all that is drawn.
            max_number: The moduli are at most this, at least 40; other numbers ten times this.
            kind: One of `NUM_ARGUMENTS`; by default any.
        """
        if kind is not None and kind not in NUM_ARGUMENTS:
            raise ValueError(unknown("kind", kind, NUM_ARGUMENTS))
        if max_number < 40:
            raise ValueError(f"`max_number` must be at least 40, got {max_number}")
        kinds = list(NUM_ARGUMENTS)
        for _ in range(MAX_DRAWS):
            *row, u = rng.random(5).tolist()
            chosen = kind or kinds[int(u * len(kinds))]
            numbers = DRAWS[chosen](row, max_number)
            if numbers is not None:
                return Problem(chosen, numbers)
        raise RuntimeError(f"no {kind} has numbers up to {max_number}")

    def prompt(self, problem: Problem, template: str) -> str:
        """State the question in words, or in compact notation."""
        kind, numbers = problem.kind, problem.numbers
        return template.format(
            question=QUESTIONS[kind].format(*numbers, last=numbers[-1] - 1),
            compact=COMPACT[kind].format(*numbers),
        )

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` is the integer, perhaps named x, perhaps with its modulus."""
        if len(answer) > MAX_ANSWER:
            return False
        text = answer
        if problem.kind in ("inverse", "congruences"):
            named = NAMED.fullmatch(text)
            text = named[1] if named else text
            modulus = MODULUS.search(text)
            if modulus is not None and modulus.end() == len(text):
                if int(modulus[1]) != modulus_of(problem):
                    return False
                text = text[: modulus.start()]
        value = read_exact(text)
        try:
            return value is not None and value == calculate(problem)
        except Unsolvable:
            return False

    def solve(self, problem: Problem) -> str:
        """Return the integer."""
        return str(calculate(problem))

    def demonstrate(self, problem: Problem) -> str:
        """Write out Euclid's algorithm, or repeated squaring."""
        steps = STEPS[problem.kind](*problem.numbers)
        return ",".join([*steps, rf"\boxed{{{self.solve(problem)}}}"])

    def canonical(self, problem: Problem) -> str:
        """Forget the order of two numbers, or of two congruences."""
        kind, numbers = problem.kind, problem.numbers
        if kind in ("gcd", "lcm"):
            return f"{kind} {sorted(numbers)}"
        if kind == "congruences":
            return f"{kind} {sorted((numbers[:2], numbers[2:]))}"
        return f"{kind} {numbers}"

    def divisions(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return one part for each kind of question."""
        if kind != "kind":
            raise ValueError(f"`arms` must be None, a list or 'kind', got {kind!r}")
        return [{"kind": name} for name in NUM_ARGUMENTS]


Draw = Callable[[list[float], int], tuple[int, ...] | None]


def between(u: float, low: int, high: int) -> int:
    """Return an integer from `low` to `high`, for `u` in [0, 1)."""
    return low + int(u * (high - low + 1))


def draw_pair(row: list[float], size: int) -> tuple[int, ...] | None:
    """Draw two multiples of a number, neither a multiple of the other."""
    common = between(row[0], 2, 30)
    left, right = (common * between(u, 2, size // 3) for u in row[1:3])
    return (left, right) if left % right and right % left else None


def draw_inverse(row: list[float], size: int) -> tuple[int, ...] | None:
    """Draw a number and a larger one without common divisors."""
    modulus = between(row[0], size // 2, size)
    number = between(row[1], 2, modulus - 2)
    return (number, modulus) if gcd(number, modulus) == 1 else None


def draw_power(row: list[float], size: int) -> tuple[int, ...] | None:
    """Draw a base and an exponent below a modulus, of which some power exceeds it."""
    modulus = between(row[0], size // 2, size)
    base, exponent = between(row[1], 2, modulus - 2), between(row[2], 3, size)
    return (base, exponent, modulus) if 1 < pow(base, exponent, modulus) < modulus - 1 else None


def draw_congruences(row: list[float], size: int) -> tuple[int, ...] | None:
    """Draw two moduli without common divisors, and remainders."""
    first, second = (between(u, 3, size // 4) for u in row[:2])
    if gcd(first, second) > 1:
        return None
    return (between(row[2], 0, first - 1), first, between(row[3], 0, second - 1), second)


DRAWS: dict[str, Draw] = {
    "gcd": draw_pair,
    "lcm": draw_pair,
    "inverse": draw_inverse,
    "power": draw_power,
    "congruences": draw_congruences,
}


def modulus_of(problem: Problem) -> int:
    """Return the modulus to which the answer is unique."""
    last = problem.numbers[-1]
    return last * problem.numbers[1] if problem.kind == "congruences" else last


def calculate(problem: Problem) -> int:
    """Return the answer."""
    return ANSWERS[problem.kind](*problem.numbers)


def inverse(number: int, modulus: int) -> int:
    """Return x with number * x = 1 modulo `modulus`."""
    if gcd(number, modulus) != 1:
        raise Unsolvable(f"`numbers` must have no common divisor, got {number} and {modulus}")
    return pow(number, -1, modulus)


def join_congruences(first: int, modulus: int, second: int, other: int) -> int:
    """Return the least x >= 0 that leaves `first` by `modulus` and `second` by `other`."""
    return (first + modulus * ((second - first) * inverse(modulus, other) % other)) % (
        modulus * other
    )


ANSWERS: dict[str, Callable[..., int]] = {
    "gcd": gcd,
    "lcm": lcm,
    "inverse": inverse,
    "power": pow,
    "congruences": join_congruences,
}


def gcd_steps(left: int, right: int) -> list[str]:
    """Write out Euclid's algorithm."""
    steps = []
    left, right = max(left, right), min(left, right)
    while right:
        left, right, divided = right, left % right, left
        steps.append(f"{divided}%{left}={right}")
    return steps


def lcm_steps(left: int, right: int) -> list[str]:
    """Write out Euclid's algorithm, then divide by the divisor and multiply."""
    common = gcd(left, right)
    quotient = left // common
    last = [f"{left}/{common}={quotient}", f"{quotient}*{right}={quotient * right}"]
    return [*gcd_steps(left, right), *last]


def inverse_steps(number: int, modulus: int) -> list[str]:
    """Write out Euclid's algorithm, with the factor of `number` that leaves each remainder.

    >>> inverse_steps(7, 26)
    ['26-3*7=5:0-3*1=-3', '7-1*5=2:1-1*-3=4', '5-2*2=1:-3-2*4=-11', '-11%26=15']
    """
    left, right, old, new = modulus, number % modulus, 0, 1
    steps = [f"{number}%{modulus}={right}"] if number > modulus else []
    while right > 1:
        quotient, rest = divmod(left, right)
        factor = old - quotient * new
        steps.append(f"{left}-{quotient}*{right}={rest}:{old}-{quotient}*{new}={factor}")
        left, right, old, new = right, rest, new, factor
    return [*steps, f"{new}%{modulus}={new % modulus}"] if new < 0 else steps


def power_steps(base: int, exponent: int, modulus: int) -> list[str]:
    """Write out repeated squaring, from the first binary digit of the exponent on."""
    steps, value = [], base % modulus
    for digit in f"{exponent:b}"[1:]:
        for factor in (value, base) if digit == "1" else (value,):
            made = value * factor % modulus
            steps.append(f"{value}*{factor}%{modulus}={made}")
            value = made
    return steps


def congruence_steps(first: int, modulus: int, second: int, other: int) -> list[str]:
    """Write out the inverse of one modulus by the other, then how often to add the modulus."""
    found, gap = inverse(modulus, other), (second - first) % other
    times = gap * found % other
    return [
        *inverse_steps(modulus, other),
        f"({second}-{first})%{other}={gap}",
        f"{gap}*{found}%{other}={times}",
        f"{first}+{modulus}*{times}={first + modulus * times}",
    ]


STEPS: dict[str, Callable[..., list[str]]] = {
    "gcd": gcd_steps,
    "lcm": lcm_steps,
    "inverse": inverse_steps,
    "power": power_steps,
    "congruences": congruence_steps,
}
