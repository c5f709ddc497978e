"""Zebra puzzles: who lives where, from clues about a row of houses.

The puzzle is of unknown origin ("Who owns the zebra?", Life International, 1962); preset "sec" of
Chen et al. (2025), arXiv 2505.14970.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np

from edgewise.envs.zebra.clues import minimal, true_clues
from edgewise.envs.zebra.problem import KINDS, SYMMETRIC, Clue, Problem, Values, holds
from edgewise.envs.zebra.solver import Masks, solution_of
from edgewise.envs.zebra.trace import Trace, is_grid
from edgewise.envs.zebra.words import LETTERS, SYMBOLS, VIEWS, WORDS, state
from edgewise.errors import unknown
from edgewise.frame import SEC_FRAME, Frame
from edgewise.task import Preset, Protocol, Task, Unsolvable, split_of_key

MAX_ANSWER = 2_000  # characters
INTRODUCTION = re.compile(r"^(?:(?:the )?(?:final )?answer(?: is)?:? )?(?:the )?")
HOUSE = re.compile(r"(?:house )?([1-9]) ?[:.] ?")
MARKUP = re.compile(r"\\(?:text|textbf|mathrm)\{([^{}]*)\}")


def sec_weights(num_houses: int, num_attributes: int) -> dict[str, float]:
    """Return the weights of the kinds that give the clues of SEC's data, in count and kind.

    Its generator was not released; these are fitted, as multiples of the count of all clues of
    each kind.
    """
    items, pairs = num_houses * num_attributes, (num_houses - 1) * num_attributes**2
    return {
        "at": (1.5 + 0.25 * num_attributes) * items,
        "same": 5 * items * (num_attributes - 1) / 2,
        "directly_left": 1.2 * pairs / 2,
        "next": 0.7 * pairs / 2,
    }


def all_weights(num_houses: int, num_attributes: int) -> dict[str, float]:
    """Return the weights of all kinds but the last two, with which each is among the clues that stay."""
    return {**dict.fromkeys(KINDS[:8], 1.0), "at": 1.5, "same": 4.0, "directly_left": 1.5}


def zebralogic_weights(num_houses: int, num_attributes: int) -> dict[str, float]:
    """Return the weights of the kinds that ZebraLogic has, fitted to their shares in its puzzles."""
    return {
        "at": 2.5, "same": 4.0, "directly_left": 1.0, "left": 3.0, "next": 0.6, "not_at": 6.0,
        "one_between": 0.5, "two_between": 0.3,
    }  # fmt: skip


WEIGHTS: dict[str, Callable[[int, int], Mapping[str, float]]]
WEIGHTS = {"sec": sec_weights, "all": all_weights, "zebralogic": zebralogic_weights}
VALUES: dict[str, Mapping[str, Sequence[str]]] = {
    "first": {name: list(words) for name, (_, _, words) in WORDS.items()},
    "any": {name: list(words) for name, (_, _, words) in WORDS.items()},
    "letters": LETTERS,
}
QUESTIONS = ("first", "any", "table")


def ladder(sizes: Sequence[tuple[int, int]], **params: str) -> dict[int, dict[str, int | str]]:
    """Return one level for each pair of counts of houses and of attributes."""
    return {
        level: {"num_houses": n, "num_attributes": m, **params}
        for level, (n, m) in enumerate(sizes, start=1)
    }


PLAIN = (
    "{num_houses} houses stand in a row, numbered 1 to {num_houses} from left to right. One person "
    "lives in each, and no two share a value of anything that is listed here:\n{listing}\n\n"
    "{clues}\n\n"
)


@dataclass(frozen=True)
class Zebra(Task[Problem]):
    r"""Deduce who lives where from clues of ten kinds, with exactly one solution and none to spare.

    Levels: the count of houses, with as many attributes; fewer of both in "seedling". Presets:
    "sec" asks for the name in house 1, "any" for a value of any house, "table", "zebralogic" and
    "seedling" for all of them. "zebralogic" has the kinds of clues of Lin et al. (2025), arXiv
    2502.01100, one or two houses between two people among them.

    The grid, a value of each attribute for each house, decides the split.

    Example:
        >>> task = Zebra()
        >>> attributes = (("name", ("bob", "alice")), ("drink", ("tea", "milk")))
        >>> clues = (Clue("directly_left", 0, 1), Clue("same", 1, 3))  # items: bob, alice, tea, milk
        >>> problem = Problem(attributes, clues, question=(1, 0))  # the drink in house 1
        >>> task.verify(problem, "The answer is Tea.")
        True
        >>> task.verify(problem, "tea or milk")
        False
        >>> task.demonstrate(problem)
        'bob-alice bob:1,alice:2;alice=milk milk:2,tea:1;\\boxed{tea}'
    """

    partial_credit: bool = False  # score a table by the fraction of its cells that are right

    presets = {
        "sec": Preset(
            template=(
                "This is a logic puzzle. There are {num_houses} houses (numbered 1 on the left, "
                "{num_houses} on the right), from the perspective of someone standing across the "
                "street from them. Each has a different person in them. They have different "
                "characteristics:\n{sec_listing}\n\n{sec_clues}\n\n{sec_question} Provide only the "
                r"name of the person as your final answer and put in in \boxed{{}}, for example: "
                r"\boxed{{Alice}}."
            ),
            levels=ladder(
                [(k, k) for k in (3, 4, 5, 6)], kinds="sec", values="first", question="first"
            ),
            ood=(4,),
            rewards=(1.0, 0.1, 0.0),
            answer="boxed",
            frame=SEC_FRAME,
            protocol=Protocol(temperature=1.0, num_samples=8),
        ),
        "any": Preset(
            template=PLAIN + r"{question} Give only that value, in \boxed{{}}.",
            levels=ladder([(k, k) for k in (3, 4, 5, 6)], question="any"),
            ood=(4,),
            frame=Frame(max_completion_tokens=4096),
        ),
        "table": Preset(
            template=(
                PLAIN + "List the houses from left to right, each with its values in the order "
                r"above, in \boxed{{}}: commas between values, semicolons between houses."
            ),
            levels=ladder([(k, k) for k in (3, 4, 5, 6)], question="table"),
            ood=(4,),
            frame=Frame(max_completion_tokens=4096),
        ),
        "zebralogic": Preset(
            template=(
                PLAIN + "Fill in the table. Write one row for each house, from left to right, with "
                r"its values in the order above, in \boxed{{}}: commas between values, semicolons "
                "between houses."
            ),
            levels=ladder([(k, k) for k in (2, 3, 4, 5, 6)], kinds="zebralogic", question="table"),
            ood=(5,),
            frame=Frame(max_completion_tokens=4096),
        ),
        "seedling": Preset(
            template=r"{symbols} in \boxed{{}}: ",
            levels=ladder(
                [(2, 2), (3, 2), (3, 3), (4, 3), (4, 4)], values="letters", question="table"
            ),
            ood=(5,),
            answer="boxed",
            frame=Frame(max_prompt_tokens=128, max_completion_tokens=512),
        ),
    }

    def draft(
        self,
        rng: np.random.Generator,
        *,
        num_houses: int,
        num_attributes: int,
        kinds: str = "all",
        values: str = "any",
        question: str = "any",
    ) -> Values:
        """Draw the grid: attributes, the first one always the same, and values from house 1 on.

        Args:
            rng: The source of all that is drawn.
            num_houses: How many, 2 to 6.
            num_attributes: How many, at least 2.
            kinds: The weights of the kinds of clues: "sec", "all" or "zebralogic".
            values: The "first" words of each attribute, as in SEC, "any" of them, or "letters".
            question: About the "first" attribute in house 1, "any" in any house, or the "table".
        """
        for name, given, choices in (
            ("kinds", kinds, WEIGHTS),
            ("values", values, VALUES),
            ("question", question, QUESTIONS),
        ):
            if given not in choices:
                raise ValueError(unknown(name, given, choices))
        names = list(VALUES[values])
        if not 2 <= num_attributes <= len(names):
            raise ValueError(f"`num_attributes` must be in [2, {len(names)}], got {num_attributes}")
        if not 2 <= num_houses <= 6:
            raise ValueError(f"`num_houses` must be in [2, 6], got {num_houses}")
        others = (rng.random(len(names) - 1).argsort()[: num_attributes - 1] + 1).tolist()
        size = num_houses if values == "first" else 6
        orders = rng.random((num_attributes, size)).argsort(axis=1)[:, :num_houses].tolist()
        return tuple(
            (names[place], tuple([VALUES[values][names[place]][k] for k in order]))
            for place, order in zip((0, *others), orders, strict=True)
        )

    def draft_key(self, draft: Values) -> str:
        """Put all puzzles with one grid in one split."""
        return repr(sorted(draft))

    def generate(
        self,
        rng: np.random.Generator,
        draft: Values,
        *,
        num_houses: int,
        num_attributes: int,
        kinds: str = "all",
        values: str = "any",
        question: str = "any",
    ) -> Problem:
        """Choose clues that allow no other grid, and put them and the values in a random order."""
        n, m = num_houses, num_attributes
        clues = minimal(true_clues(rng, n, m, WEIGHTS[kinds](n, m)), n, m)
        orders = rng.random((m, n)).argsort(axis=1).tolist()
        listed = [
            a * n + order.index(house) for a, order in enumerate(orders) for house in range(n)
        ]
        items = [*listed, *range(m * n, m * n + n), -1]
        turned, places = (rng.random(len(clues)) < 0.5).tolist(), rng.random(len(clues)).argsort()
        shown = [relabel(*pair, items) for pair in zip(clues, turned, strict=True)]
        attributes = tuple(
            (name, tuple([row[house] for house in order]))
            for (name, row), order in zip(draft, orders, strict=True)
        )
        attribute, house = (rng.random(2) * (m, n)).astype(int).tolist()
        asked = {"first": (0, 0), "any": (attribute, house), "table": None}[question]
        return Problem(attributes, tuple([shown[place] for place in places]), asked, draft)

    def prompt(self, problem: Problem, template: str) -> str:
        """Fill in the fields of `VIEWS` that the template names."""
        fields = {name: view for name, view in VIEWS.items() if f"{{{name}}}" in template}
        return template.format(**{name: view(problem) for name, view in fields.items()})

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` is the value, or the table, whatever its case and spaces."""
        return self.fraction(problem, answer) == 1

    def credit(self, problem: Problem, answer: str) -> float:
        """Return 1 if `answer` is right; else, with `partial_credit`, its share of right cells.

        A table of another shape has none. Guessing earns 1 / n for n houses.
        """
        fraction = self.fraction(problem, answer)
        return fraction if self.partial_credit else float(fraction == 1)

    def fraction(self, problem: Problem, answer: str) -> float:
        """Return the share of the cells asked for that are right."""
        if len(answer) > MAX_ANSWER:
            return 0.0
        try:
            solution = solution_of(problem)
        except Unsolvable:
            return 0.0
        if problem.question is not None:
            attribute, house = problem.question
            return float(normalise(answer) == normalise(solution[attribute][1][house]))
        given = parse_table(answer)
        right = [list(row) for row in zip(*[row for _, row in solution], strict=True)]
        if [len(row) for row in given] != [len(row) for row in right]:
            return 0.0
        matches: list[bool] = [
            cell == normalise(value)
            for row, values in zip(given, right, strict=True)
            for cell, value in zip(row, values, strict=True)
        ]
        return sum(matches) / len(matches)

    def explain(self, problem: Problem, answer: str) -> str:
        """Return the number of the first clue that a table does not fit; "" for a single value."""
        if problem.question is not None or len(answer) > MAX_ANSWER:
            return ""
        rows, n = parse_table(answer), problem.num_houses
        columns = list(zip(*rows, strict=False))
        if [len(row) for row in rows] != [len(problem.attributes)] * n:
            return "The table has another shape."
        places: list[int] = []
        for (_, values), column in zip(problem.attributes, columns, strict=True):
            if sorted(column) != sorted(map(normalise, values)):
                return "A column must have each value once."
            places += [column.index(normalise(value)) for value in values]
        places += range(n)
        wrong = (k for k, clue in enumerate(problem.clues, start=1) if not holds(clue, places))
        return f"Clue {number} does not hold." if (number := next(wrong, None)) else ""

    def solve(self, problem: Problem) -> str:
        """Return the value that is asked for, or the table, searching the grid if it is unknown."""
        solution = solution_of(problem)
        if problem.question is not None:
            attribute, house = problem.question
            return solution[attribute][1][house]
        rows = zip(*[row for _, row in solution], strict=True)
        return "; ".join(", ".join(row) for row in rows)

    def demonstrate(self, problem: Problem) -> str:
        """Go through the clues, and say what each leaves, until the answer is known."""
        labels, n = problem.labels(), problem.num_houses
        clues = [(clue, state(clue, SYMBOLS, labels)) for clue in problem.clues]
        trace = Trace(clues, labels, n)
        masks = [(1 << n) - 1] * (len(labels) - n) + [1 << house for house in range(n)]
        trace.deduce(masks, is_known(problem))
        answer = self.solve(problem).replace("; ", ";").replace(", ", ",")
        return ";".join([*trace.steps, rf"\boxed{{{answer}}}"])

    def canonical(self, problem: Problem) -> str:
        """Forget all orders: of attributes, of values as listed, of clues, and of items in them."""
        named = [f"{name}={value}" for name, row in problem.attributes for value in row]
        labels = [*named, *[str(house + 1) for house in range(problem.num_houses)]]
        clues = []
        for kind, first, second, third in problem.clues:
            one, two, three = labels[first], labels[second], labels[third] if third >= 0 else ""
            if kind in SYMMETRIC:
                one, two = sorted((one, two))
            elif kind == "between":
                two, three = sorted((two, three))
            clues.append(f"{one} {kind} {two} {three}")
        asked = problem.question and (
            problem.attributes[problem.question[0]][0],
            problem.question[1],
        )
        return f"{sorted(named)} {sorted(clues)} {asked}"

    def split_of(self, problem: Problem) -> str:
        """Return the split of the grid."""
        return split_of_key(self.draft_key(solution_of(problem)))

    def num_answers(self, problem: Problem) -> int:
        """Return the number of possible answers: values, or tables of them."""
        n = problem.num_houses
        return n if problem.question is not None else factorial(n) ** len(problem.attributes)


def relabel(clue: Clue, turned: bool, items: Sequence[int]) -> Clue:
    """Return `clue` about other items, in another order if it is `turned` and may be."""
    first, second, third = items[clue.first], items[clue.second], items[clue.third]
    if turned and clue.kind in SYMMETRIC:
        return Clue(clue.kind, second, first)
    if turned and clue.kind == "between":
        return Clue(clue.kind, first, third, second)
    return Clue(clue.kind, first, second, third)


def is_known(problem: Problem) -> Callable[[Masks], bool]:
    """Return the test whether the answer is known, from the houses left to each item."""
    if problem.question is None:
        return is_grid
    attribute, house = problem.question
    start = attribute * problem.num_houses
    return lambda masks: 1 << house in masks[start : start + problem.num_houses]


def normalise(text: str) -> str:
    """Return `text` without case, markup, outer punctuation and words of introduction."""
    plain = " ".join(MARKUP.sub(r"\1", text).casefold().split())
    return INTRODUCTION.sub("", plain).strip(" .,:;!?\"'`*$")


def parse_table(answer: str) -> list[list[str]]:
    """Return the cells of each row, without the number of the house that a row may begin with."""
    rows = [row for row in re.split("[;\n]", answer) if row.strip()]
    cells = [[normalise(cell) for cell in re.split("[,|]", row)] for row in rows]
    for house, row in enumerate(cells, start=1):
        number = HOUSE.match(row[0])
        if number is not None and int(number[1]) == house:
            row[0] = row[0][number.end() :]
    return cells
