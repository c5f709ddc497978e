"""Countdown problems of a file against the public data: SEC, TinyZero, UFT, Stream of Search, 24."""

import os
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from edgewise.envs.countdown.file import CountdownFile

BESIDE = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not (BESIDE / "sec").is_dir(), reason="the public data is not there"
)
SPLITS = ("train", "validation", "test")


def load(pattern, **options):
    task = CountdownFile(data=os.fspath(BESIDE / pattern), **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        levels = task.presets["sec"].levels
        return task, {s: [task.rows(s, level=level) for level in levels] for s in SPLITS}


def solve_all(task, problems):
    """By the solver alone, without the solution that a row may have."""
    for problem in problems:
        bare = replace(problem, solution=None)
        assert task.verify(bare, task.solve(bare))


@pytest.mark.slow  # the solver sees 20,000 rows; those of the other sets are fewer
def test_sec_is_posed_in_its_splits_and_levels_and_solved():
    task, rows = load("sec/countdown_*.jsonl.gz", level_column="difficulty", num_levels=4)
    assert list(map(len, rows["test"])) == [100] * 4
    assert list(map(len, rows["train"][3:])) == [0] and not any(rows["validation"])
    for level, numbers in enumerate((3, 4, 5), start=1):
        train = rows["train"][level - 1]
        assert {len(problem.numbers) for problem in train} == {numbers}
        assert {task.canonical(p) for p in train}.isdisjoint(
            map(task.canonical, rows["test"][level - 1])
        )
        solve_all(task, train[::1000])
    for problems in rows["test"]:
        solve_all(task, problems[::20])


def test_other_public_sets_are_posed_and_solved():
    task, rows = load("countdown/*.jsonl.gz")
    assert sum(len(level) for split in SPLITS for level in rows[split]) == 10_751
    solve_all(task, rows["test"][0][::100])
    task, rows = load("game24/game24.jsonl.gz")
    assert sum(len(level) for split in SPLITS for level in rows[split]) == 1_362
    solve_all(task, rows["train"][0][::100])
