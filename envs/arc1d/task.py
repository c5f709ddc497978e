r"""ARC-1D: find the rule that three examples follow, and apply it to a row of coloured cells.

Task of Xu et al. (2023), "LLMs and the Abstraction and Reasoning Corpus", arXiv 2305.18354;
preset "sec" of Chen et al. (2025), arXiv 2505.14970.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np

from edgewise.envs.arc1d.families import FAMILIES, Examples, Family, Rule, fitting
from edgewise.envs.arc1d.grids import Dice, Grid
from edgewise.errors import unknown
from edgewise.frame import SEC_FRAME, Frame
from edgewise.task import MAX_DRAWS, Preset, Protocol, Task, Unsolvable, split_of_key

NUM_EXAMPLES = 3
MAX_TRIES = 100  # at a grid of one rule
BETWEEN = re.compile(r"\\(?:quad|text|[ ,;:])|[\s,;|&~\[\](){}]", re.ASCII)  # cells of an answer

FIRST = ("move", "gravity", "reverse", "recolour")
MORE = (*FIRST, "rotate", "step", "fill", "hollow", "touch", "spill", "repeat", "sort_cells")


@dataclass(frozen=True)
class Problem:
    """Apply the rule of `examples`, pairs of input and output, to `grid`."""

    examples: Examples
    grid: Grid
    answer: Grid
    solution: str | None = field(default=None, repr=False, compare=False)  # the rule


@dataclass(frozen=True)
class ARC1D(Task[Problem]):
    r"""Find the rule that turns each input into its output, and apply it to one more input.

    Levels: the length of the grids; those of "seedling" have more families of rules too. A family
    is chosen by "families" in `params`, and `arms="family"` makes an arm of each.

    No grid is its own output, no input occurs twice, and every rule of every family that fits the
    examples gives the same answer. The last input decides the split: a quarter of all grids is for
    test, a quarter for validation.

    Example:
        >>> task = ARC1D()
        >>> examples = (("0110000", "0011000"), ("2000000", "0200000"), ("0003300", "0000330"))
        >>> problem = Problem(examples, "4440000", "0444000")
        >>> task.verify(problem, "[0, 4, 4, 4, 0, 0, 0]")
        True
        >>> task.verify(problem, "0 0 4 4 4 0 0")
        False
        >>> task.demonstrate(problem)
        'move 1,\\boxed{0444000}'
    """

    presets = {
        "sec": Preset(
            template=(
                "Find the common rule that maps an input grid to an output grid, given the "
                "examples below.\n\n{examples}Below is a test input grid. Predict the "
                "corresponding output grid by applying the rule you found. Describe how you "
                "derived the rule and your overall reasoning process in detail before you submit "
                r"your answer. Your final answer must be placed in \boxed{{}} and should be just "
                "the test output grid itself.\n\nInput:\n{grid}"
            ),
            levels={k: {"size": 10 * k} for k in (1, 2, 3, 4)},
            ood=(4,),
            rewards=(1.0, 0.1, 0.0),
            answer="boxed",
            frame=SEC_FRAME,
            protocol=Protocol(temperature=1.0, num_samples=8),
        ),
        "seedling": Preset(
            template=r"{pairs} {cells}> in \boxed{{}}: ",
            levels={
                1: {"size": 5, "families": FIRST},
                2: {"size": 8, "families": FIRST},
                3: {"size": 8, "families": MORE},
                4: {"size": 10, "families": MORE},
                5: {"size": 10, "families": tuple(FAMILIES)},
            },
            ood=(4, 5),
            answer="boxed",
            frame=Frame(max_prompt_tokens=112, max_completion_tokens=48),
        ),
    }

    def generate(
        self,
        rng: np.random.Generator,
        split: str | None = None,
        *,
        size: int,
        families: Sequence[str] | None = None,
    ) -> Problem:
        """Draw a rule and grids until these determine the answer, and the last lies in `split`.

        Args:
            rng: The source of all that is drawn.
            split: The split of the last grid; None accepts any.
            size: The length of the grids, 5 or more; every family can be drawn from 8 on.
            families: The names of the families, one as often as another; None draws those of
                SEC as its data has them, less its problems with no or with two answers.
        """
        if size < 5:
            raise ValueError(f"`size` must be at least 5, got {size}")
        choices, dice = weighted(None if families is None else tuple(families)), Dice(rng)
        family: Family | None = None
        for _ in range(MAX_DRAWS):
            if family is None or families is None:
                family = choices[int(dice.number() * len(choices))]
            rule = Rule(family, family.params[int(dice.number() * len(family.params))])
            draw = family.draws[int(dice.number() * len(family.draws))]
            problem = attempt(partial(draw, dice, size, *rule.params), rule, split)
            if problem is not None:
                return problem
        raise RuntimeError(f"no grids of size {size} in {split} determine a rule of {families}")

    def draw(
        self, rng: np.random.Generator, problem_seed: int, split: str, **params: Any
    ) -> Problem:
        """Generate a problem of `split`; the last grid is drawn first, and decides it."""
        return self.generate(rng, split, **params)

    def prompt(self, problem: Problem, template: str) -> str:
        """State the examples, the grid and the answer format."""
        examples = [
            f"Example {i}:\nInput:  {' '.join(grid)}\nOutput: {' '.join(output)}\n\n"
            for i, (grid, output) in enumerate(problem.examples, start=1)
        ]
        return template.format(
            examples="".join(examples),
            grid=" ".join(problem.grid),
            pairs=" ".join([f"{grid}>{output}" for grid, output in problem.examples]),
            cells=problem.grid,
        )

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` is the grid, its cells all apart or all together."""
        if len(answer) > 10 * len(problem.answer) + 100:
            return False
        parts = BETWEEN.sub(" ", answer).split()
        return "".join(parts) == problem.answer and len(parts) in (1, len(problem.answer))

    def solve(self, problem: Problem) -> str:
        """Return the answer of the rule that made it, or of the first that fits the examples."""
        if problem.solution is not None:
            return " ".join(problem.answer)
        return " ".join(search(problem)[1])

    def demonstrate(self, problem: Problem) -> str:
        """Name the rule and give the answer."""
        rule, answer = problem.solution, problem.answer
        if rule is None:
            found, answer = search(problem)
            rule = str(found)
        return rf"{rule},\boxed{{{answer}}}"

    def canonical(self, problem: Problem) -> str:
        """Forget the order of the examples."""
        return f"{sorted(problem.examples)} {problem.grid}"

    def split_of(self, problem: Problem) -> str:
        """Return the split of the last grid."""
        return split_of_grid(problem.grid)

    def divisions(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return one part for each family."""
        if kind != "family":
            raise ValueError(f"`arms` must be None, a list or 'family', got {kind!r}")
        return [{"families": [name]} for name in FAMILIES]


@lru_cache
def weighted(families: tuple[str, ...] | None) -> list[Family]:
    """Return the families of these names, or all of SEC, each as often as its weight."""
    if families is None:
        return [family for family in FAMILIES.values() for _ in range(family.weight)]
    if not families:
        raise ValueError("`families` must not be empty")
    for name in families:
        if name not in FAMILIES:
            raise ValueError(unknown("families", name, FAMILIES))
    return [FAMILIES[name] for name in families]


def split_of_grid(grid: Grid) -> str:
    """Return the split of all problems that end with `grid`."""
    return split_of_key(grid, percent=25)


def attempt(draw: Callable[[], Grid | None], rule: Rule, split: str | None) -> Problem | None:
    """Return a problem of `rule`; None if its grids came out wrong or determine no answer."""
    last = draw_pair(draw, rule)
    if last is None or (split is not None and split_of_grid(last[0]) != split):
        return None
    pairs = [last]
    for _ in range(NUM_EXAMPLES):
        pair = draw_pair(draw, rule)
        if pair is None or pair in pairs:
            return None
        pairs.append(pair)
    grid, answer = last
    examples = tuple(pairs[1:])
    answers = {found(grid) for found in fitting(examples)} - {None}
    return Problem(examples, grid, answer, str(rule)) if answers == {answer} else None


def draw_pair(draw: Callable[[], Grid | None], rule: Rule) -> tuple[Grid, Grid] | None:
    """Return an input and its output; None if they are equal, or no grid was found."""
    for _ in range(MAX_TRIES):
        grid = draw()
        if grid is not None:
            output = rule(grid)
            return (grid, output) if output is not None and output != grid else None
    return None


def search(problem: Problem) -> tuple[Rule, Grid]:
    """Return the first rule that fits the examples and has a meaning for the grid, and its output.

    Raises:
        Unsolvable: If there is none.
    """
    for rule in fitting(problem.examples):
        answer = rule(problem.grid)
        if answer is not None:
            return rule, answer
    raise Unsolvable(f"`examples` fit no known rule: {problem.examples}")
