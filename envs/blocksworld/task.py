r"""Blocksworld: bring blocks from one arrangement to another with a hand that holds one.

Task and words of PlanBench (Valmeekam et al., 2023, arXiv 2206.10498); preset "e2h" of Parashar et
al. (2025), arXiv 2506.06632. There a plan is compared with the final state of a reference; here any
plan counts that reaches the goal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from edgewise.envs.blocksworld.plan import (
    HAND,
    Fact,
    State,
    carry_out,
    choose,
    clear_blocks,
    draw_goal,
    draw_stacks,
    explain_plan,
    is_reached,
    is_state,
    shortest_plan,
    uniforms,
)
from edgewise.envs.blocksworld.text import (
    E2H_PROMPT,
    NAMES,
    NOTATIONS,
    PDDL_PROMPT,
    PLANBENCH_PROMPT,
    RESERVED,
    read_plan,
    read_problem,
    write_facts,
    write_move,
    write_plan,
    write_state,
)
from edgewise.errors import unknown
from edgewise.frame import E2H_FRAME, Frame
from edgewise.task import MAX_DRAWS, Preset, Protocol, Task, Turn, Unsolvable, split_of_key

MAX_ANSWER = 10_000  # characters
MAX_BLOCKS = 12  # there are as many colors
MAX_PARSED = 26  # blocks
ONE_BY_ONE = "\nGive one action at a time; after each, the state is told. "
COMPACT_ONE_BY_ONE = "one by one: "
NOT_POSSIBLE = "Not possible. "
PLAN_LENGTHS = (1, 2, 4, 6, 8)


FIRST_THINK = replace(  # the one task of E2H whose system text says "think"
    E2H_FRAME, before=E2H_FRAME.before.replace("thinks", "think"), max_prompt_tokens=1600
)


@dataclass(frozen=True)
class Problem:
    """Make every fact of `goal` true, from `start`; either is in no particular order."""

    start: tuple[Fact, ...]  # each block, and what it is on: another, "table" or "hand"
    goal: tuple[Fact, ...]  # the same, of some blocks
    notation: str = field(default="words", compare=False)  # or "pddl", "compact"
    num_actions: int | None = field(default=None, repr=False, compare=False)  # of a shortest plan


@dataclass(frozen=True)
class Blocksworld(Task[Problem]):
    r"""Find actions of a hand that bring blocks to a goal, which may leave some blocks open.

    Levels: the count of actions that are needed, 1, 2, 4, 6 and 8, with 2 to 6 blocks. Short plans
    over few names are few problems: of 5,000 of the first level of "e2h", where a quarter of the
    names are ordinals, 13 % repeat an earlier one; elsewhere it is 1 % or less.

    A plan that is longer than needed earns less, half at the least. Names of blocks are part of a
    problem, the order of blocks and facts is not; the start decides the split. With `interactive`
    each answer is one action, and the state is told after it; an action that is not possible
    changes nothing; the episode ends at the goal, or is truncated after `max_turns`.

    Example:
        >>> task = Blocksworld()
        >>> problem = Problem((("red", "blue"), ("blue", "table")), (("red", "table"),))
        >>> task.verify(problem, "1. Unstack the red block from on top of the blue block.\n"
        ...     "2. Put down the red block.")
        True
        >>> task.verify(problem, "(unstack red blue)\n(put-down red)")
        True
        >>> task.verify(problem, "pick up the red block")  # it is not on the table
        False
        >>> task.demonstrate(problem)
        'red^,red>_: red blue; \\boxed{unstack the red block from on top of the blue block\nput down the red block}'
    """

    interactive: bool = False
    max_turns: int = 20  # where interactive

    presets = {
        "e2h": Preset(
            template=E2H_PROMPT,
            levels={k: {"num_actions": n} for k, n in enumerate(PLAN_LENGTHS, start=1)},
            ood=(5,),
            rewards=(3.0, 1.0, 0.0),
            answer="think_answer",
            frame=FIRST_THINK,
            protocol=Protocol(temperature=0.0, num_samples=1),
        ),
        "planbench": Preset(
            template=PLANBENCH_PROMPT,
            levels={
                k: {"num_actions": n, "min_blocks": 4, "names": ("colors",)}
                for k, n in enumerate(PLAN_LENGTHS, start=1)
            },
            ood=(5,),
            answer="answer",
        ),
        "pddl": Preset(
            template=PDDL_PROMPT,
            levels={
                k: {"num_actions": n, "min_blocks": 3, "names": ("letters",), "notation": "pddl"}
                for k, n in enumerate(PLAN_LENGTHS, start=1)
            },
            ood=(5,),
            answer="answer",
        ),
        "seedling": Preset(
            template=r"{init} -> {goal} in \boxed{{}}: ",
            levels={
                k: {
                    "num_actions": n,
                    "min_blocks": 3,
                    "max_blocks": 4 if k < 5 else 5,
                    "names": ("letters",),
                    "notation": "compact",
                }
                for k, n in enumerate(PLAN_LENGTHS, start=1)
            },
            ood=(5,),
            answer="boxed",
            frame=Frame(max_prompt_tokens=56, max_completion_tokens=128),
        ),
    }

    def __post_init__(self) -> None:
        """Check the limit."""
        if self.max_turns < 1:
            raise ValueError(f"`max_turns` must be at least 1, got {self.max_turns}")

    def generate(
        self,
        rng: np.random.Generator,
        split: str | None = None,
        *,
        num_actions: int,
        min_blocks: int = 2,
        max_blocks: int = 6,
        names: Sequence[str] = tuple(NAMES),
        notation: str = "words",
    ) -> Problem:
        """Walk at random from a random start, until no shorter way leads to what has changed.

        Args:
            rng: The source of all that is drawn.
            split: The split of the start; None accepts any.
            num_actions: The length of the shortest plan.
            min_blocks: The least count of blocks.
            max_blocks: The largest.
            names: The kinds of names, one of which each problem has: keys of `NAMES`.
            notation: How the problem is written: "words", "pddl" or "compact".
        """
        if not 2 <= min_blocks <= max_blocks <= MAX_BLOCKS:
            raise ValueError(
                f"`min_blocks` and `max_blocks` must be 2 to {MAX_BLOCKS}, in order, "
                f"got {min_blocks} and {max_blocks}"
            )
        if notation not in NOTATIONS:
            raise ValueError(unknown("notation", notation, NOTATIONS))
        draws = uniforms(rng)
        for _ in range(MAX_DRAWS):
            num_blocks = min_blocks + int(next(draws) * (max_blocks + 1 - min_blocks))
            blocks = draw_names(draws, choose(draws, names), num_blocks, notation)
            placed = draw_stacks(draws, blocks)
            start = dict(placed)
            if next(draws) < 1 / num_blocks:
                start[choose(draws, clear_blocks(placed))] = HAND
            if split is not None and split_of_start(start.items()) != split:
                continue
            goal = draw_goal(draws, placed, start, num_actions)
            if goal is not None and len(shortest_plan(start, goal)) == num_actions:
                return Problem(tuple(start.items()), goal, notation, num_actions)
        raise RuntimeError(
            f"no problem of {num_actions} actions and {max_blocks} blocks in {split}"
        )

    def draw(
        self, rng: np.random.Generator, problem_seed: int, split: str, **params: Any
    ) -> Problem:
        """Generate a problem of `split`; the start decides the split, so no goal is searched in vain."""
        return self.generate(rng, split, **params)

    def prompt(self, problem: Problem, template: str) -> str:
        """State the start, the goal, and how to answer."""
        text = template.format(
            blocks=" ".join(block for block, _ in problem.start),
            init=write_state(dict(problem.start), problem.notation),
            goal=write_facts(problem.goal, problem.notation),
        )
        if not self.interactive:
            return text
        compact = problem.notation == "compact"
        return f"{text}{COMPACT_ONE_BY_ONE if compact else ONE_BY_ONE}"

    def parse(self, text: str, answer: str) -> Problem | None:
        """Return the problem that `text` states in words, PDDL or compactly; None if it is none."""
        found = read_problem(text)
        if found is None:
            return None
        start, goal, notation = found
        names = {block.lower() for block in start}
        if len(names) < len(start) or not names.isdisjoint(RESERVED) or not is_state(start):
            return None
        if len(start) > MAX_PARSED or not all(block in start for block, _ in goal):
            return None
        return Problem(tuple(start.items()), tuple(dict.fromkeys(goal)), notation)

    def count_actions(self, problem: Problem, answer: str) -> int | None:
        """Return the number of actions by which `answer` reaches the goal; None if it does not."""
        plan = read_plan(answer) if len(answer) <= MAX_ANSWER else None
        if plan is None:
            return None
        state = dict(lower(problem.start))
        for move in plan:
            if not carry_out(state, move):
                return None
        return len(plan) if is_reached(state, lower(problem.goal)) else None

    def verify(self, problem: Problem, answer: str) -> bool:
        """Return whether `answer` is a plan of legal actions that ends with the goal."""
        return self.count_actions(problem, answer) is not None

    def credit(self, problem: Problem, answer: str) -> float:
        """Return 1 for a shortest plan, less for a longer one, 0 for none."""
        return self.shaped(problem, self.count_actions(problem, answer))

    def shaped(self, problem: Problem, num_actions: int | None) -> float:
        """Return (1 + n* / n) / 2 for n actions where n* are enough, as E2H does."""
        if num_actions is None:
            return 0.0
        least = count_least(problem) if problem.num_actions is None else problem.num_actions
        return 1.0 if num_actions <= least else (1 + least / num_actions) / 2

    def turn(self, problem: Problem, answers: Sequence[str]) -> Turn:
        """Judge a plan or, where interactive, carry out one action and tell the state."""
        if not self.interactive:
            num_actions = self.count_actions(problem, answers[-1])
            return Turn(num_actions is not None, self.shaped(problem, num_actions))
        state, possible = state_after(problem, answers)
        if is_reached(state, lower(problem.goal)):
            return Turn(True, self.shaped(problem, len(answers)))
        if len(answers) >= self.max_turns:
            return Turn(False, 0.0, truncated=True)
        current = write_state(as_named(problem, state), problem.notation)
        return Turn(False, 0.0, current if possible else f"{NOT_POSSIBLE}{current}", done=False)

    def solve(self, problem: Problem) -> str:
        """Return a shortest plan."""
        plan = shortest_plan(dict(problem.start), problem.goal)
        return write_plan(plan, problem.notation)

    def demonstrate(self, problem: Problem) -> str:
        """Tell the state each time that the hand is empty; in the compact notation."""
        state, actions, steps = dict(problem.start), list[str](), list[str]()
        plan = shortest_plan(state, problem.goal)
        for move in plan:
            carry_out(state, move)
            actions.append(write_move(move, "compact"))
            if move[2] != HAND:
                steps.append(f"{','.join(actions)}: {write_state(state, 'compact')}; ")
                actions.clear()
        return rf"{''.join(steps)}\boxed{{{write_plan(plan, problem.notation)}}}"

    def next_turn(self, problem: Problem, answers: Sequence[str]) -> str:
        """Return the first action of a shortest plan from here, or the whole plan."""
        if not self.interactive:
            return self.demonstrate(problem)
        state, _ = state_after(problem, answers)
        plan = shortest_plan(as_named(problem, state), problem.goal)[:1]
        return rf"\boxed{{{write_plan(plan, problem.notation)}}}"

    def explain(self, problem: Problem, answer: str) -> str:
        """Return which action is not possible and why, or which fact of the goal is not so.

        Of an interactive episode, whose states were told, nothing.
        """
        if self.interactive:
            return ""
        plan = read_plan(answer) if len(answer) <= MAX_ANSWER else None
        return explain_plan(dict(lower(problem.start)), lower(problem.goal), plan)

    def canonical(self, problem: Problem) -> str:
        """Forget the order of blocks and facts."""
        return f"{sorted(lower(problem.start))} {sorted(lower(problem.goal))}"

    def split_of(self, problem: Problem) -> str:
        """Return the split of the start."""
        return split_of_start(problem.start)

    def num_answers(self, problem: Problem) -> int | None:
        """Return the count of plans as long as needed over these blocks, legal or not."""
        num_actions = problem.num_actions
        return None if num_actions is None else int((2 * len(problem.start) ** 2) ** num_actions)


def state_after(problem: Problem, answers: Sequence[str]) -> tuple[State, bool]:
    """Return the state after single actions, names in lower case, and whether the last was possible."""
    state, possible = dict(lower(problem.start)), True
    for answer in answers:
        plan = read_plan(answer) if len(answer) <= MAX_ANSWER else None
        possible = plan is not None and len(plan) == 1 and carry_out(state, plan[0])
    return state, possible


def as_named(problem: Problem, state: State) -> State:
    """Return a state with the names as the problem writes them."""
    names = {block.lower(): block for block, _ in problem.start}
    return {names[block]: names.get(place, place) for block, place in state.items()}


@lru_cache
def count_least(problem: Problem) -> float:
    """Return the length of a shortest plan; infinity if the search for one takes too long."""
    try:
        return len(shortest_plan(dict(problem.start), problem.goal))
    except Unsolvable:
        return float("inf")


def lower(facts: Iterable[Fact]) -> list[Fact]:
    """Return `facts` with the names in lower case, as plans are read."""
    return [(block.lower(), place.lower()) for block, place in facts]


def split_of_start(start: Iterable[Fact]) -> str:
    """Return the split of all problems that start so."""
    return split_of_key(str(sorted(lower(start))))


def draw_names(draws: Iterator[float], kind: str, num_blocks: int, notation: str) -> list[str]:
    """Draw names of one kind, in random order; of ordinals, the first."""
    if kind not in NAMES:
        raise ValueError(unknown("names", kind, NAMES))
    pool = list(NAMES[kind][: num_blocks if kind == "ordinals" else None])
    names = [pool.pop(int(next(draws) * len(pool))) for _ in range(num_blocks)]
    return [name.lower() for name in names] if notation == "pddl" else names
