r"""Arithmetic: the exact value of an expression over integers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from edgewise.frame import Frame
from edgewise.number import read_exact
from edgewise.task import MAX_DRAWS, Preset, Task, Unsolvable

Tree: TypeAlias = "int | tuple[str, Tree, Tree]"  # operation, left, right
Step: TypeAlias = tuple[str, Fraction, Fraction, Fraction]  # operation, left, right, result

PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}
LATEX = {"+": " + ", "-": " - ", "*": r" \times ", "/": r" \div "}
COMPACT = {operation: operation for operation in PRECEDENCE}
MAX_NUMERATOR = 1_000_000  # of the values on the way
MAX_DENOMINATOR = 100
MAX_TEXT = 200  # of an expression that is read, in characters
TOKEN = re.compile(r" *(?:(\d{1,9})(?!\d)|([-+*/()]))", re.ASCII)


@dataclass(frozen=True)
class Problem:
    """Evaluate `tree`."""

    tree: Tree


def ladder(*sizes: tuple[int, str, int]) -> dict[int, dict[str, int | str]]:
    """Return levels of those counts of operations, operations, and largest numbers."""
    names = ("num_operations", "operations", "max_number")
    return {level: dict(zip(names, size, strict=True)) for level, size in enumerate(sizes, start=1)}


@dataclass(frozen=True)
class Arithmetic(Task[Problem]):
    r"""Evaluate an expression; the value may be a fraction.

    Levels: the count of operations. Sums and differences come first, then products, then quotients.
    Any exact form of the value is right, such as 1/2, 2/4 or 0.5, but no expression is.

    Example:
        >>> task = Arithmetic()
        >>> problem = Problem(("-", ("*", 12, 34), ("/", 1, 2)))
        >>> task.verify(problem, r"\frac{815}{2}"), task.verify(problem, "407.5")
        (True, True)
        >>> task.verify(problem, "12*34 - 1/2")
        False
        >>> task.demonstrate(problem)
        '12*34=360+48=408,408-1/2=815/2,\\boxed{815/2}'
    """

    held_out_percent = 27  # so that validation and test problems are fast to draw
    presets = {
        "plain": Preset(
            template=(
                "Calculate ${latex}$. Give the exact value, an integer or a fraction, in "
                r"\boxed{{}}."
            ),
            levels=ladder(
                (2, "+-", 99), (3, "+-*", 99), (4, "+-*", 99), (5, "+-*/", 99), (7, "+-*/", 99)
            ),
            ood=(5,),
            frame=Frame(max_completion_tokens=2048),
        ),
        "seedling": Preset(
            template=r"{compact} \boxed{{}}:",
            levels=ladder(
                (1, "+-", 999), (2, "+-", 99), (3, "+-*", 30), (4, "+-*", 30), (5, "+-*", 30)
            ),
            ood=(5,),
            answer="boxed",
            frame=Frame(max_prompt_tokens=48, max_completion_tokens=128),
        ),
        "sums": Preset(  # one skill, of ever longer problems
            template=r"{compact} \boxed{{}}:",
            levels=ladder(*((count, "+-", 9) for count in (1, 2, 3, 4, 5, 6))),
            ood=(6,),
            answer="boxed",
            frame=Frame(max_prompt_tokens=32, max_completion_tokens=96),
        ),
        "ladder": Preset(  # the same, and far beyond what the sums' model can do
            template=r"{compact} \boxed{{}}:",
            levels=ladder(*((count, "+-", 9) for count in range(1, 13))),
            answer="boxed",
            frame=Frame(max_prompt_tokens=48, max_completion_tokens=160),
        ),
        "pair": Preset(  # two skills of ever longer problems: sums, and precedence
            template=r"{compact} \boxed{{}}:",
            levels=ladder(
                *((count, "+-", 9) for count in (1, 2, 3, 4, 5, 7)),
                *((count, "+-*", 6) for count in (1, 2, 3, 4, 5, 7)),
            ),
            answer="boxed",
            frame=Frame(max_prompt_tokens=48, max_completion_tokens=128),
        ),
        "crowd": Preset(  # for that model: levels 4 to 7 can be learned, among many that cannot
            template=r"{compact} \boxed{{}}:",
            levels=ladder(
                *((1, "+-", largest) for largest in (9, 10, 11)),
                *((count, "+-", 9) for count in (2, 3, 4, 5, 7, 8, 9, 10, 11)),
                *((1, "*", 99), (2, "*", 20), (2, "/", 20), (2, "+-*", 30), (3, "+-*", 30)),
                *((count, "+-", 999) for count in (1, 2, 3)),
            ),
            answer="boxed",
            frame=Frame(max_prompt_tokens=48, max_completion_tokens=96),
        ),
        "crowd-pair": Preset(  # for the model of "pair": levels 4 to 9 can be learned, of both skills
            template=r"{compact} \boxed{{}}:",
            levels=ladder(
                *((1, "+-", largest) for largest in (9, 10, 11)),
                *((count, "+-", 9) for count in (3, 4, 5)),
                *((count, "+-*", 6) for count in (3, 4, 5)),
                *((count, "+-", 9) for count in (8, 9, 10)),
                *((count, "+-*", 6) for count in (7, 8)),
                *((1, "*", 99), (2, "*", 20), (2, "/", 20), (2, "+-*", 30), (3, "+-*", 30)),
                *((count, "+-", 999) for count in (1, 2)),
            ),
            answer="boxed",
            frame=Frame(max_prompt_tokens=48, max_completion_tokens=96),
        ),
    }

    def generate(
        self, rng: np.random.Generator, *, num_operations: int, operations: str, max_number: int
    ) -> Problem:
        """Join neighbours among random numbers until one tree is left, with values in range.

        Args:
            rng: The source of all that is drawn.
            num_operations: How many, at least 1.
            operations: Those to draw from, out of "+-*/".
            max_number: The numbers are 2 to this.
        """
        if num_operations < 1:
            raise ValueError(f"`num_operations` must be at least 1, got {num_operations}")
        if not operations or not set(operations) <= PRECEDENCE.keys():
            raise ValueError(f"`operations` must be some of '+-*/', got {operations!r}")
        for _ in range(MAX_DRAWS):
            row = rng.random(3 * num_operations + 1).tolist()
            trees: list[Tree] = [2 + int(u * (max_number - 1)) for u in row[: num_operations + 1]]
            choices, places = row[num_operations + 1 :: 2], row[num_operations + 2 :: 2]
            for choice, u in zip(choices, places, strict=True):
                place = int(u * (len(trees) - 1))
                operation = operations[int(choice * len(operations))]
                trees[place : place + 2] = [join(operation, trees[place], trees[place + 1])]
            steps: list[Step] = []
            if evaluate(trees[0], steps) is not None and all(map(is_moderate, steps)):
                return Problem(trees[0])
        raise RuntimeError(f"no values in range of {num_operations} operations {operations!r}")

    def prompt(self, problem: Problem, template: str) -> str:
        """State the expression in LaTeX or in compact notation."""
        return template.format(
            latex=write(problem.tree, LATEX), compact=write(problem.tree, COMPACT)
        )

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` is a number with the value of the expression."""
        value = read_exact(answer)
        return value is not None and value == evaluate(problem.tree, [])

    def solve(self, problem: Problem) -> str:
        """Return the value."""
        value = evaluate(problem.tree, [])
        if value is None:
            raise Unsolvable(f"`tree` must not divide by 0, got {problem.tree}")
        return str(value)

    def demonstrate(self, problem: Problem) -> str:
        """Carry out one operation at a time, and products of long numbers digit by digit."""
        steps: list[Step] = []
        evaluate(problem.tree, steps)
        worked = [write_step(*step) for step in steps]
        return ",".join([*filter(None, worked), rf"\boxed{{{self.solve(problem)}}}"])

    def canonical(self, problem: Problem) -> str:
        """Forget the order of terms and of factors, and the brackets that change nothing."""
        return gather(problem.tree)

    def parse(self, text: str, answer: str) -> Problem | None:
        """Read an expression in either notation; the answer says nothing of the problem."""
        for operation, sign in (("*", r"\times"), ("/", r"\div")):
            text = text.replace(sign, operation)
        tree = read(text) if len(text) <= MAX_TEXT else None
        return None if tree is None else Problem(tree)


def join(operation: str, left: Tree, right: Tree) -> Tree:
    """Return a tree that goes from left to right where no brackets are needed.

    >>> join("+", 1, ("-", 2, 3))  # 1 + 2 - 3
    ('-', ('+', 1, 2), 3)
    """
    if isinstance(right, int) or operation in "-/" or PRECEDENCE[operation] != PRECEDENCE[right[0]]:
        return (operation, left, right)
    return (right[0], join(operation, left, right[1]), right[2])


def evaluate(tree: Tree, steps: list[Step]) -> Fraction | None:
    """Return the exact value, appending each operation to `steps`; None if one divides by 0."""
    if isinstance(tree, int):
        return Fraction(tree)
    operation, *sides = tree
    left, right = (evaluate(side, steps) for side in sides)
    if left is None or right is None or (operation == "/" and right == 0):
        return None
    value = operate(operation, left, right)
    steps.append((operation, left, right, value))
    return value


def is_moderate(step: Step) -> bool:
    """Return whether the result of a step is small enough for a problem."""
    return abs(step[3].numerator) <= MAX_NUMERATOR and step[3].denominator <= MAX_DENOMINATOR


def operate(operation: str, left: Fraction, right: Fraction) -> Fraction:
    """Return the exact result."""
    if operation == "+":
        return left + right
    if operation == "-":
        return left - right
    return left * right if operation == "*" else left / right


def write_step(operation: str, left: Fraction, right: Fraction, value: Fraction) -> str:
    """Write an operation, with the partial products of long numbers; empty if 1/2 is 1/2."""
    binds = operation in "*/"
    second = f"({right})" if right < 0 or (binds and right.denominator > 1) else str(right)
    first = f"({left})" if binds and left.denominator > 1 else str(left)
    text = f"{first}{operation}{second}"
    if operation == "*" and min(left, right) >= 10 and left.denominator == right.denominator == 1:
        places = enumerate(reversed(str(right)))
        parts = [str(left * int(digit) * 10**place) for place, digit in places if digit != "0"]
        text += f"={'+'.join(reversed(parts))}" if len(parts) > 1 else ""
    return "" if text == str(value) else f"{text}={value}"


def write(tree: Tree, symbols: dict[str, str], least: int = 0) -> str:
    """Write an expression, in brackets if its operation binds less than `least`."""
    if isinstance(tree, int):
        return str(tree)
    operation, left, right = tree
    own = PRECEDENCE[operation]
    text = f"{write(left, symbols, own)}{symbols[operation]}{write(right, symbols, own + 1)}"
    return f"({text})" if own < least else text


def read(text: str) -> Tree | None:
    """Evaluate an expression over unsigned integers; None if it is none.

    >>> read("8-(2+3)*4"), read("8--2"), read("(8"), read("8 2")
    (('-', 8, ('*', ('+', 2, 3), 4)), None, None, None)
    """
    trees: list[Tree] = []
    pending: list[str] = []
    place, ended = 0, False  # whether the last token ended an operand
    while text[place:].strip(" "):
        match = TOKEN.match(text, place)
        if match is None or ended == (match[2] in (None, "(")):
            return None
        place = match.end()
        if match[1]:
            trees.append(int(match[1]))
        elif match[2] == "(":
            pending.append("(")
        else:
            reduce(trees, pending, PRECEDENCE.get(match[2], 1))
            if match[2] != ")":
                pending.append(match[2])
            elif not pending:
                return None
            else:
                pending.pop()
        ended = match[2] in (None, ")")
    if not ended:
        return None
    reduce(trees, pending, 1)
    return None if pending else trees[0]


def reduce(trees: list[Tree], pending: list[str], least: int) -> None:
    """Join the last trees by the pending operations of at least that precedence."""
    while pending and PRECEDENCE.get(pending[-1], 0) >= least:
        right = trees.pop()
        trees[-1] = (pending.pop(), trees[-1], right)


def gather(tree: Tree) -> str:
    """Return the terms of a sum, or the factors of a product, in one order."""
    if isinstance(tree, int):
        return str(tree)
    pair = "+-" if tree[0] in "+-" else "*/"
    return f"({' '.join(sorted(parts(tree, pair)))})"


def parts(tree: Tree, pair: Sequence[str], inverse: bool = False) -> Iterator[str]:
    """Yield each part that `pair`, an operation and its inverse, joins, after its operation."""
    if isinstance(tree, int) or tree[0] not in pair:
        yield f"{pair[inverse]}{gather(tree)}"
        return
    yield from parts(tree[1], pair, inverse)
    yield from parts(tree[2], pair, inverse != (tree[0] == pair[1]))
