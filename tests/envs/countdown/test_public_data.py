"""Countdown: the public data of the task, by its own solutions and by ours."""

import gzip
import json
import re
from pathlib import Path

import pytest

from edgewise.envs.countdown.task import Countdown, Problem

DATA = Path(__file__).parents[3].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the public data is not here")
TASK = Countdown()


def rows(name):
    return [json.loads(line) for line in gzip.open(DATA / f"{name}.jsonl.gz")]


def problem_of(row):
    return Problem(tuple(row["nums"]), row["target"])


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
