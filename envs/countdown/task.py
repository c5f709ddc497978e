r"""Countdown: reach a target from given numbers with + - * /, each number once.

Task of Gandhi et al. (2024), "Stream of Search", arXiv 2404.03683; preset "sec" of Chen et al.
(2025), arXiv 2505.14970; preset "e2h" of Parashar et al. (2025), arXiv 2506.06632.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.envs.countdown.expression import (
    OPERATIONS,
    PRECEDENCE,
    TOKEN,
    Step,
    Value,
    evaluate,
    operate,
    read_equation,
)
from edgewise.errors import unknown
from edgewise.frame import E2H_FRAME, SEC_FRAME, Frame
from edgewise.task import MAX_DRAWS, Preset, Protocol, Task, Unsolvable, split_of_key

MAX_DEAD = 100_000  # multisets of values that cannot make the target
NUM_DRAWS = 16  # attempts drawn at a time
NUM_SLIPS = 4  # wrong expressions of which the nearest is taken
EQUALS = ("accepted", "refused")

Floats = NDArray[np.float64]
Term = tuple[Value, str]  # and the expression that made it


@dataclass(frozen=True)
class Problem:
    """Reach `target` with an expression over all of `numbers`."""

    numbers: tuple[int, ...]
    target: int
    solution: str | None = field(default=None, repr=False, compare=False)  # what made the target


SEC_LEVEL = {"draws": "sec", "max_number": 100, "min_target": 1, "max_target": 1000}
E2H_LEVEL = {"draws": "e2h", "max_number": 100, "min_target": 0, "max_target": 100}
SEEDLING_LEVEL = {"draws": "seedling", "max_number": 30, "min_target": 1, "max_target": 100}


@dataclass(frozen=True)
class Countdown(Task[Problem]):
    r"""Combine all the numbers, each once, into an expression equal to the target.

    Levels: the count of numbers; the last of "seedling" has larger numbers.

    The numbers decide the split: 27 % of all multisets are for test, 27 % for validation.

    An answer may be written in LaTeX, ``\frac{6}{2} \cdot 4``, which the released codes of "sec" and
    "e2h" give no credit for. As they do, these presets refuse ``expression = target``, so that it
    earns what a formatted answer does, unless `equals` is "accepted".

    Example:
        >>> task = Countdown()
        >>> problem = Problem((3, 5, 2), 16, "(3 + 5) * 2")
        >>> task.verify(problem, "2 * (5 + 3) = 16")
        True
        >>> task.verify(problem, "3 * 5 + 1")  # 1 is not given, 2 is not used
        False
        >>> task.demonstrate(problem)
        '3+5=8,8*2=16,\\boxed{(3+5)*2}'
    """

    equals: str = "accepted"  # whether "= target" may follow: "accepted" or "refused"

    presets = {
        "sec": Preset(
            template=(
                "Using the numbers {numbers}, create an equation that equals {target}. You can "
                "only use basic arithmetic operations (+, -, *, /) and each number should be used "
                r"exactly once. Return the final answer in \boxed{{}}, for example "
                r"\boxed{{(1 + 2) / 3}}."
            ),
            levels={k: {"num_numbers": k + 2, **SEC_LEVEL} for k in (1, 2, 3, 4)},
            ood=(4,),
            rewards=(1.0, 0.1, 0.0),
            answer="boxed",
            frame=SEC_FRAME,
            task_options={"equals": "refused"},
        ),
        "e2h": Preset(
            template=(
                "Using the numbers {numbers}, create an equation that equals {target}. You can "
                "use basic arithmetic operations (+, -, *, /) and each number can only be used "
                "once. Show your work in <think> </think> tags. And return the final answer in "
                "<answer> </answer> tags, for example <answer> (1 + 2) / 3 </answer>."
            ),
            levels={k: {"num_numbers": k + 1, **E2H_LEVEL} for k in (1, 2, 3, 4, 5)},
            ood=(5,),
            rewards=(1.0, 0.1, 0.0),
            answer="think_answer",
            frame=E2H_FRAME,
            protocol=Protocol(temperature=0.0, num_samples=1),
            task_options={"equals": "refused"},
        ),
        "seedling": Preset(
            template=r"{numbers} -> {target} \boxed{{}}:",
            levels={
                **{k: {"num_numbers": k + 1, **SEEDLING_LEVEL} for k in (1, 2, 3, 4)},
                5: {"num_numbers": 3, **SEEDLING_LEVEL, "max_number": 50, "max_target": 150},
            },
            ood=(4, 5),
            answer="boxed",
            frame=Frame(max_prompt_tokens=48, max_completion_tokens=80),
        ),
    }

    def __post_init__(self) -> None:
        """Check the option."""
        if self.equals not in EQUALS:
            raise ValueError(unknown("equals", self.equals, EQUALS))

    def generate(
        self,
        rng: np.random.Generator,
        split: str | None = None,
        *,
        num_numbers: int,
        draws: str = "sec",
        max_number: int = 100,
        min_target: int = 1,
        max_target: int = 1000,
    ) -> Problem:
        """Draw numbers and operations until they make a target in range, and lie in `split`.

        Args:
            rng: The source of all that is drawn.
            split: The split of the numbers; None accepts any.
            num_numbers: How many, 2 to 6.
            draws: Whose distribution: "sec", "e2h" or "seedling", see the functions below.
            max_number: The numbers are 1 to this.
            min_target: The least target.
            max_target: The largest target.
        """
        if draws not in FOLDS:
            raise ValueError(f"`draws` must be one of {list(FOLDS)}, got {draws!r}")
        if num_numbers < 2:
            raise ValueError(f"`num_numbers` must be at least 2, got {num_numbers}")
        fold, num_choices, max_tries = FOLDS[draws]
        least, sizes = bounds(num_numbers, max_number, num_choices)
        numbers, tries = [0], 0
        for _ in range(MAX_DRAWS):
            block = rng.random((NUM_DRAWS, len(sizes))) * sizes + least
            for row in map(np.ndarray.tolist, block.astype(np.int64)):
                if not tries:
                    numbers, tries = row[:num_numbers], max_tries
                tries -= 1
                used, choices = numbers.copy(), row[num_numbers:]
                value = fold(used, choices)
                if value is None or not min_target <= value <= max_target:
                    continue
                if split is None or split_of_numbers(used) == split:
                    shuffled = sorted(zip(rng.random(num_numbers).tolist(), used, strict=True))
                    shown = tuple([number for _, number in shuffled])
                    return Problem(shown, value, write(used, choices))
                tries = 0
        raise RuntimeError(f"no {num_numbers} numbers up to {max_number} make a target in {split}")

    def draw(
        self, rng: np.random.Generator, problem_seed: int, split: str, **params: Any
    ) -> Problem:
        """Generate a problem of `split`; the numbers are looked at only where the target fits."""
        return self.generate(rng, split, **params)

    def prompt(self, problem: Problem, template: str) -> str:
        """State the numbers, the target and the answer format."""
        return template.format(numbers=list(problem.numbers), target=problem.target)

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` uses the numbers, each once, and equals the target."""
        equation = read_equation(answer)
        if equation is None:
            return False
        tokens, target = equation
        if target is not None and (self.equals == "refused" or target != problem.target):
            return False
        if sorted([int(token) for token in tokens if token.isdigit()]) != sorted(problem.numbers):
            return False
        return evaluate(tokens, []) == problem.target

    def solve(self, problem: Problem) -> str:
        """Return the expression that made the target, or search for one."""
        if problem.solution is not None:
            return problem.solution
        found = search([(n, str(n)) for n in problem.numbers], problem.target, set())
        if found is None:
            raise Unsolvable(f"`target` {problem.target} cannot be made of {problem.numbers}")
        return found

    def demonstrate(self, problem: Problem) -> str:
        """Work the solution out one operation at a time."""
        return worked(self.solve(problem).replace(" ", ""))

    def slip(self, problem: Problem, rng: np.random.Generator) -> str:
        """Work out another expression over all the numbers, the nearest to the target of a few."""
        found: list[tuple[int, str]] = []
        for _ in range(MAX_DRAWS):
            numbers = [problem.numbers[i] for i in rng.permutation(len(problem.numbers)).tolist()]
            choices = rng.integers(8, size=len(numbers) - 1).tolist()
            value = fold_seedling(numbers, choices)
            if value is not None and value != problem.target:
                found.append((abs(value - problem.target), write(numbers, choices)))
            if len(found) == NUM_SLIPS:
                break
        expression = min(found)[1] if found else " + ".join(map(str, problem.numbers[1:]))
        return worked(expression.replace(" ", ""))

    def explain(self, problem: Problem, answer: str) -> str:
        """Return which number is amiss, or what the expression is equal to instead."""
        equation = read_equation(answer)
        value = None if equation is None else evaluate(equation[0], [])
        if equation is None or value is None:
            return "It is no expression."
        left = list(problem.numbers)
        for token in equation[0]:
            if token.isdigit() and int(token) not in problem.numbers:
                return "It has a number that is not given."
            if token.isdigit() and int(token) not in left:
                return f"It has {int(token)} too often."
            if token.isdigit():
                left.remove(int(token))
        if left:
            return f"It leaves {left[0]} out."
        if value != problem.target:
            return f"It equals {value}."
        return "" if self.verify(problem, answer) else "It must be an expression alone."

    def canonical(self, problem: Problem) -> str:
        """Forget the order of the numbers."""
        return f"{sorted(problem.numbers)} {problem.target}"

    def split_of(self, problem: Problem) -> str:
        """Return the split of the numbers."""
        return split_of_numbers(problem.numbers)


def worked(expression: str) -> str:
    """Work an expression without spaces out, one operation at a time."""
    steps = list[Step]()
    evaluate(TOKEN.findall(expression), steps)
    lines = [f"{left}{symbol}{right}={value}" for symbol, left, right, value in steps]
    return ",".join([*lines, rf"\boxed{{{expression}}}"])


@cache
def bounds(num_numbers: int, max_number: int, num_choices: int) -> tuple[Floats, Floats]:
    """Return the least value of each part of a draw, numbers then operations, and how many."""
    rest = num_numbers - 1
    sizes = [max_number] * num_numbers + [num_choices] * rest
    return np.array([1.0] * num_numbers + [0.0] * rest), np.array(sizes, dtype=float)


def split_of_numbers(numbers: Sequence[int]) -> str:
    """Return the split of all problems over `numbers`.

    27 % each are for validation and test, so that a test problem, which is drawn until it lies in
    its split, takes 46 / 27 = 1.7 times the draws of a training problem.
    """
    return split_of_key(str(sorted(numbers)), percent=27)


def fold_sec(numbers: list[int], choices: list[int]) -> int | None:
    """Fold `numbers` from the left as SEC's generator did; rewrite `numbers` and `choices` in place.

    A division that does not come out even takes, in place of its number, the first later one that
    divides, which is then used twice; if there is none, it becomes a subtraction. The generator was
    not released; this one has the targets, repeated numbers and lengths of its data.
    """
    value = numbers[0]
    for i, choice in enumerate(choices, start=1):
        if choice == 0:
            value += numbers[i]
        elif choice == 2:
            value *= numbers[i]
        elif choice == 1:
            value -= numbers[i]
        else:
            for number in numbers[i:]:
                if value % number == 0:
                    numbers[i] = number
                    value //= number
                    break
            else:
                choices[i - 1] = 1
                value -= numbers[i]
    return value


def fold_e2h(numbers: list[int], choices: list[int]) -> int | None:
    """Fold `numbers` from the left as E2H's code does; None if a division does not come out even.

    Operations are drawn up to 40 times for the same numbers, then the numbers are drawn anew.
    """
    value = numbers[0]
    for number, choice in zip(numbers[1:], choices, strict=True):
        if choice == 0:
            value += number
        elif choice == 1:
            value -= number
        elif choice == 2:
            value *= number
        elif value % number:
            return None
        else:
            value //= number
    return value


def fold_seedling(numbers: list[int], choices: list[int]) -> int | None:
    """Fold `numbers`, each on either side of what is made so far, through positive integers."""
    value = numbers[0]
    for number, choice in zip(numbers[1:], choices, strict=True):
        left, right = (value, number) if choice < 4 else (number, value)
        made = operate(OPERATIONS[choice % 4], left, right)
        if not isinstance(made, int) or made < 1:
            return None
        value = made
    return value


Fold = Callable[[list[int], list[int]], int | None]
FOLDS: dict[str, tuple[Fold, int, int]] = {  # with the count of choices, and of tries
    "sec": (fold_sec, 4, 1),
    "e2h": (fold_e2h, 4, 40),
    "seedling": (fold_seedling, 8, 1),
}


def write(numbers: list[int], choices: list[int]) -> str:
    """Return the expression of a fold, with no more parentheses than it needs."""
    text, precedence = str(numbers[0]), 3
    for number, choice in zip(numbers[1:], choices, strict=True):
        operation = OPERATIONS[choice % 4]
        outer = PRECEDENCE[operation]
        if precedence < outer or (choice >= 4 and precedence == outer):
            text = f"({text})"
        text = f"{text} {operation} {number}" if choice < 4 else f"{number} {operation} {text}"
        precedence = outer
    return text


def search(terms: list[Term], target: int, dead: set[tuple[Value, ...]]) -> str | None:
    """Return an expression over all of `terms` that equals `target`, None if there is none."""
    if len(terms) == 1:
        return terms[0][1] if terms[0][0] == target else None
    if len(terms) == 2:
        return join(terms[0], terms[1], target) or join(terms[1], terms[0], target)
    values = tuple(sorted([value for value, _ in terms]))
    if values in dead:
        return None
    if len(dead) > MAX_DEAD:
        raise Unsolvable(f"`target` {target} was not found in {MAX_DEAD} steps")
    for i, j in permutations(range(len(terms)), 2):
        (left, one), (right, two) = terms[i], terms[j]
        rest = [term for k, term in enumerate(terms) if k not in (i, j)]
        for operation in OPERATIONS if i < j else "-/":
            value = operate(operation, left, right)
            if value is not None:
                made = (value, f"({one} {operation} {two})")
                if (found := search([*rest, made], target, dead)) is not None:
                    return found
    dead.add(values)
    return None


def join(left: Term, right: Term, target: int) -> str | None:
    """Return the expression of `left`, then `right`, that equals `target`, None if there is none."""
    (one, first), (two, second) = left, right
    if one + two == target:
        return f"{first} + {second}"
    if one - two == target:
        return f"{first} - {second}"
    if one * two == target:
        return f"{first} * {second}"
    return f"{first} / {second}" if two != 0 and one == target * two else None
