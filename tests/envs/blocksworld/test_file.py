"""Blocksworld problems of a file: both layouts, what is left out, and the public data."""

import json
import os
import warnings
from pathlib import Path

import gymnasium as gym
import pytest

from edgewise.envs.blocksworld.file import BlocksworldFile

BESIDE = Path(__file__).parents[4] / "shared" / "data"
WORDS = {
    "init": "the red block is clear, the hand is empty, the red block is on top of the blue block and "
    "the blue block is on the table",
    "goal": "the blue block is on top of the red block",
}
FACTS = {
    "init": ["handempty", "ontable blue", "on red blue", "clear red"],
    "goal": ["on blue red"],
}
PDDL = {
    "pddl": "(define (problem ours) (:domain blocksworld-4ops) (:objects red blue)\n"
    "(:init (handempty) (ontable blue) (on red blue) (clear red)) (:goal (and (on blue red))))"
}
PLAN = "(unstack red blue) (put-down red) (pick-up blue) (stack blue red)"


@pytest.mark.parametrize(
    "row", [WORDS, FACTS, PDDL, {**FACTS, "init": [f"({f})" for f in FACTS["init"]]}]
)
def test_all_layouts_state_the_same_problem_and_any_plan_counts(row):
    task = BlocksworldFile()
    problem = task.read_row(row)
    assert task.canonical(problem) == task.canonical(task.read_row(WORDS))
    assert task.verify(problem, PLAN)
    assert task.verify(problem, task.solve(problem))
    assert task.credit(problem, f"{PLAN} (unstack blue red) (stack blue red)") == (1 + 4 / 6) / 2
    assert not task.verify(problem, "(unstack red blue) (stack red blue)")


@pytest.mark.parametrize(("preset", "words"), [("e2h", True), ("planbench", True), ("pddl", False)])
def test_the_preset_says_how_a_problem_is_written(tmp_path, preset, words):
    path = tmp_path / "test.jsonl"
    path.write_text(f"{json.dumps(PDDL)}\n")
    env = gym.make("BlocksworldFile-v0", data=str(path), preset=preset, split="test")
    prompt, _ = env.reset(seed=0)
    assert ("the red block is on top of the blue block" in prompt) == words
    assert ("(on red blue)" in prompt) != words


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**FACTS, "goal": ["on red blue", "on blue red"]}, "`goal` must have facts that can all hold"),
        ({**FACTS, "goal": ["on red blue", "ontable red"]}, "`goal` must have facts that can all hold"),
        ({**FACTS, "goal": ["on red green"]}, "`goal` must have facts that can all hold"),
        ({**FACTS, "goal": []}, "`goal` must not be empty"),
        ({**FACTS, "goal": ["flies red"]}, "must state where all blocks are"),
        ({**FACTS, "goal": ["on green red"]}, "must state where all blocks are"),
        ({**FACTS, "init": ["on red blue", "on blue red"]}, "must state where all blocks are"),
        ({**FACTS, "init": ["on red blue"]}, "must state where all blocks are"),
        ({**WORDS, "init": "red on blue"}, "must state where all blocks are"),
        ({**WORDS, "init": None}, "`init` must be a text, or a list of facts, got null"),
        ({**FACTS, "goal": [1]}, "`goal` must be a text, or a list of facts"),
        ({**WORDS, "goal": "x" * 30_000}, "`goal` must have at most 20,000 characters"),
        ({"pddl": "(define)"}, "`pddl` must state where all blocks are"),
        ({"init": WORDS["init"]}, "must have a column 'goal'"),
        ({}, "must have a column 'init'"),
    ],
)  # fmt: skip
def test_a_bad_row_is_left_out_with_its_place(tmp_path, row, reason):
    path = tmp_path / "test.jsonl"
    path.write_text(f"{json.dumps(WORDS)}\n{json.dumps(row)}\n")
    with pytest.warns(UserWarning, match="1 of 2 rows are no problems"):
        left_out = BlocksworldFile(data=str(path)).left_out
    assert left_out[0].place == f"{path}:2" and reason in left_out[0].reason


def test_an_unknown_notation_is_refused():
    with pytest.raises(ValueError, match="notation"):
        BlocksworldFile(notation="morse")


def every(task):
    levels = range(1, len(task.presets["e2h"].levels) + 1)
    return [
        p for s in ("train", "validation", "test") for n in levels for p in task.rows(s, level=n)
    ]


needs_data = pytest.mark.skipif(
    not (BESIDE / "e2h").is_dir(), reason="the public data is not there"
)


@needs_data
@pytest.mark.parametrize("step", [50, pytest.param(1, marks=pytest.mark.slow)])
def test_the_problems_of_e2h_are_solved_in_as_many_steps_as_it_says(step):
    steps = (1, 2, 4, 6, 8)
    path = os.fspath(BESIDE / "e2h" / "blocksworld_train_10000.jsonl.gz")
    task = BlocksworldFile(data=path, level_column="plan_steps", level_values=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts = [len(task.rows("train", level=level)) for level in range(1, 6)]
    assert counts == [1817, 1830, 1891, 1944, 1973]  # distinct ones of 2,000 each
    for level, length in enumerate(steps, start=1):
        for problem in task.rows("train", level=level)[::step]:
            assert task.count_actions(problem, task.solve(problem)) == length


@needs_data
def test_the_instances_of_planbench_are_solved_but_those_that_cannot_be():
    path = BESIDE / "planbench_blocksworld" / "instances_half.jsonl.gz"
    task = BlocksworldFile(data=str(path))
    with pytest.warns(UserWarning, match="51 of 659 rows are no problems"):
        problems = every(task)
    assert len(problems) == 608
    assert {reason.partition(",")[0] for _, reason in task.left_out} == {
        "`goal` must have facts that can all hold"
    }
    assert all(task.verify(problem, task.solve(problem)) for problem in problems)
