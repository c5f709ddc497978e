"""Countdown: what counts as right, the papers' prompts, and the public data of the task."""

import gzip
import json
import re
from fractions import Fraction
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.envs.countdown import MAX_DEAD, TOKEN, Countdown, Problem, evaluate, search
from edgewise.task import Unsolvable

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the public data is not here")
PROBLEM = Problem((4, 1, 8, 7), 24, "(8 - 4) * (7 - 1)")
TASK = Countdown()


def rows(name):
    return [json.loads(line) for line in gzip.open(DATA / f"{name}.jsonl.gz")]


def problem_of(row):
    return Problem(tuple(row["nums"]), row["target"])


# Answers


@pytest.mark.parametrize(
    "answer",
    [
        "(8 - 4) * (7 - 1)",
        "(7-1)*(8-4)",
        "-(4 - 8)*(7 - 1)",
        "((((8)) - 4) * (7 - 1))",
        r"(8-4) \times (7-1)",
        r"(8-4) \cdot (7-1)",
        " (8−4)×(7−1) ",
        "(8 - 4) * (7 - 1) = 24",
        "(8 - 4) * (7 - 1)=24 ",
    ],
)
def test_every_right_form_counts(answer):
    assert TASK.verify(PROBLEM, answer)


@pytest.mark.parametrize("answer", ["12 / 4", "12 ÷ 4", r"12 \div 4", "-12 / -4"])
def test_every_sign_of_division_counts(answer):
    assert TASK.verify(Problem((4, 12), 3), answer)


@pytest.mark.parametrize(
    "answer",
    [
        "8 * 4 - 7",
        "8 * 4 - 8",
        "(8 - 4) * 7 - 4",
        "24",
        "4*1*8*7/7-8+0",
        "(8 - 4) * (7 - 1) = 25",
        "24 = (8 - 4) * (7 - 1)",
        "(8 - 4) * (7 - 1) = 24 = 24",
        "(8 - 4) (7 - 1)",
        "(8 - 4) * (7 - 1",
        "(8 - 4) * 7 - 1)",
        "+(8 - 4) * (7 - 1)",
        "(8 - 4) * (7 - 1) *",
        "(8 - 4) * (7 - 1) / (1 - 1)",
    ],
)
def test_near_misses_do_not(answer):
    assert not TASK.verify(PROBLEM, answer)


@pytest.mark.parametrize(
    ("numbers", "target", "answer"),
    [
        ((2, 3), 8, "2 ** 3"),
        ((10, 2, 3), 80, "10*2**3"),
        ((5, 2), 240, "5!*2"),
        ((3, 7, 10), 37, "3.7*10"),
        ((3, 7, 10), 309, "0e0*(3+7*10)+309e0"),
        ((7, 2), 3, "7//2"),
        ((7, 2), 3, "floor(7/2)"),
        ((1, 2), 12, "12"),
        ((1, 2, 3), 15, "12 + 3"),
        ((9, 9, 9, 9), 1, "9**9**9**9"),
        ((10, 6), 1, "factorial(10**6)"),
        ((5, 3), 8, "5 + 3 + 0"),
        ((5, 3), 8, "(5 + 3) * True"),
        ((1, 0), 1, "1 / 0"),
    ],
)
def test_exploits_of_other_verifiers_fail(numbers, target, answer):
    assert not TASK.verify(Problem(numbers, target), answer)


def test_fractions_are_exact():
    assert TASK.verify(Problem((8, 8, 3, 3), 24), "8 / (3 - 8 / 3)")


def combine(parts):
    """Return (text, exact value, numbers) of two operands and an operation, None over zero."""
    (one, left, used), operation, (two, right, others) = parts
    if operation == "/" and not right:
        return one, left, used
    value = {"+": left + right, "-": left - right, "*": left * right}.get(operation)
    made = left / right if value is None else value
    return f"({one} {operation} {two})", made, used + others


leaves = st.integers(1, 100).map(lambda n: (str(n), Fraction(n), (n,)))
trees = st.recursive(
    leaves, lambda t: st.tuples(t, st.sampled_from("+-*/"), t).map(combine), max_leaves=6
)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(trees)
def test_any_expression_is_worth_what_it_is_worth(tree):
    text, value, numbers = tree
    assert evaluate(TOKEN.findall(text), []) == value
    if value.denominator == 1 and len(text) <= 200:
        assert TASK.verify(Problem(numbers, int(value)), text)
        assert not TASK.verify(Problem(numbers, int(value) + 1), text)
        assert not TASK.verify(Problem((*numbers, 1), int(value)), text)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.text(st.sampled_from("0123456789+-*/() =\\timesdv×÷−.e!_"), max_size=30))
def test_any_text_gets_a_verdict(text):
    assert TASK.verify(PROBLEM, text) in (True, False)


# Solver


@pytest.mark.parametrize(
    "numbers", [(24,), (4, 6), (2, 48), (8, 8, 3, 3), (1, 3, 4, 6), (5, 5, 5, 1), (4, 1, 8, 7)]
)
def test_a_missing_solution_is_searched(numbers):
    problem = Problem(numbers, 24)
    assert TASK.verify(problem, TASK.solve(problem))


def test_the_search_ends():
    with pytest.raises(Unsolvable, match="cannot be made"):
        TASK.solve(Problem((1, 1, 1, 1), 99))


@pytest.mark.slow
def test_six_numbers_are_decided_within_the_budget():
    dead = set()
    assert search([(n, str(n)) for n in (97, 89, 83, 79, 73, 71)], 1_000_003, dead) is None
    assert len(dead) < MAX_DEAD


# Draws


def largest_gap(ours, theirs):
    """Return the two-sample Kolmogorov-Smirnov statistic over its value at a level of 0.001."""
    places = np.union1d(ours, theirs)
    ranks = [np.searchsorted(np.sort(a), places, side="right") / len(a) for a in (ours, theirs)]
    critical = 1.95 * np.sqrt(1 / len(ours) + 1 / len(theirs))
    return np.abs(ranks[0] - ranks[1]).max() / critical


@needs_data
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_draws_of_sec_are_those_of_the_paper(level):
    source = "sec/countdown_train" if level < 4 else "sec/countdown_test_half"
    theirs = [problem_of(row) for row in rows(source) if row["difficulty"] == level]
    env = gym.make("Countdown-v0", allow_ood=True).unwrapped
    ours = [env.draw(level, seed) for seed in range(3_000)]
    assert {len(problem.numbers) for problem in ours} == {len(theirs[0].numbers)}
    for measure in (
        lambda problem: problem.target,
        lambda problem: min(problem.numbers),
        lambda problem: sum(problem.numbers),
        lambda problem: len(env.prompt(problem)),
    ):
        assert largest_gap(*(np.array([measure(p) for p in side]) for side in (ours, theirs))) < 1
    repeats = [[len(set(p.numbers)) < len(p.numbers) for p in side] for side in (ours, theirs)]
    spread = np.sqrt(sum(np.var(side) / len(side) for side in repeats))
    assert abs(np.mean(repeats[0]) - np.mean(repeats[1])) < 3.3 * spread


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_draws_of_e2h_fold_the_numbers_from_the_left(level):
    env = gym.make("Countdown-v0", preset="e2h", allow_ood=True).unwrapped
    for problem in (env.draw(level, seed) for seed in range(200)):
        assert len(problem.numbers) == level + 1 and 0 <= problem.target <= 100
        steps = []
        assert evaluate(TOKEN.findall(problem.solution), steps) == problem.target
        assert all(isinstance(value, int) for *_, value in steps)


# Public data


@needs_data
@pytest.mark.parametrize(
    "name",
    [
        "sec/countdown_test_half",
        "countdown/tinyzero_test_half",
        "countdown/uft_test_half",
        "countdown/uft_train",
        "countdown/arlopti_test_half",
        "game24/game24",
    ],
)
def test_public_solutions_are_right(name):
    wrong = [row["id"] for row in rows(name) if not TASK.verify(problem_of(row), row["solution"])]
    assert wrong == []


def written(operations):
    """Return the expression of steps like "57-48=9"."""
    made = {}
    for step in operations:
        left, operation, right, value = re.fullmatch(r"(\d+)(\D)(\d+)=(\d+)", step).groups()
        parts = [made[n].pop() if made.get(n) else n for n in (left, right)]
        made.setdefault(value, []).append(f"({parts[0]}{operation}{parts[1]})")
    return made[value][-1]


@needs_data
def test_worked_operations_of_stream_of_search_are_right():
    for row in rows("countdown/stream_of_search_val512"):
        assert TASK.verify(problem_of(row), written(row["operations"])), row["id"]
        assert TASK.verify(problem_of(row), TASK.solve(problem_of(row))), row["id"]


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "step"),
    [("sec/countdown_train", 20), ("sec/countdown_test_half", 1), ("game24/game24", 1)],
)
def test_public_problems_are_solved(name, step):
    for problem in map(problem_of, rows(name)[::step]):
        assert TASK.verify(problem, TASK.solve(problem))
