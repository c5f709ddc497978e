"""Tasks whose workers judge pass on that a verdict is none, and that of an answer never is."""

import pytest

from edgewise.agents.soar.pairs import Pair
from edgewise.envs.math.data import MATH, Problem
from edgewise.envs.math.problem_file import ProblemFile
from edgewise.envs.reasoning_gym import task as reasoning_gym
from edgewise.envs.taught import Taught
from edgewise.grading import equivalent, equivalent_many, grade
from edgewise.pool import Pool

JUDGE = """
import os, signal, time

def run(*texts):
    if texts[-1].endswith("lost"):
        os.kill(os.getpid(), signal.SIGKILL)
    if texts[-1].endswith("crash"):
        os.abort()
    if texts[-1].endswith("late"):
        time.sleep(60)
    return texts[-1].endswith("right")
"""
LONG = "x+" * 100  # so that a worker is asked
RIGHT, WRONG, LOST, CRASH, LATE = (
    LONG + word for word in ("right", "wrong", "lost", "crash", "late")
)
ANSWERS = [RIGHT, WRONG, LOST, CRASH, LATE]
VERDICTS = [True, False, None, False, False]


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    (folder / "lost_judge.py").write_text(JUDGE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        with Pool("lost_judge:run", num_workers=1, seconds=1.0) as pool:
            for module in (grade, reasoning_gym):
                patch.setattr(module, "shared_pool", lambda: pool)
            yield pool


def test_grading(judge):
    assert equivalent_many(["y"] * 5, ANSWERS) == VERDICTS
    assert equivalent("y", LOST) is None and equivalent("1", "1") is True


@pytest.mark.parametrize("kind", [MATH, pytest.param(ProblemFile, marks=pytest.mark.slow)])
def test_data_sets_of_mathematics(judge, kind):
    problem, task = Problem("?", "y"), kind()
    assert task.verify_many([problem] * 5, ANSWERS) == VERDICTS
    assert [task.verify(problem, answer) for answer in ANSWERS[1:3]] == VERDICTS[1:3]


def test_problems_of_a_teacher(judge):
    task = Taught(problems=[["?", "y"]], kind="expression", partial=0.5)
    turns = task.turn_many(
        [Pair("?", "y")] * 3, [(answer,) for answer in (WRONG + "y", LATE + "y")] + [(LOST,)]
    )
    assert [(turn.correct, turn.credit) for turn in turns[:2]] == [(False, 0.5)] * 2
    assert (turns[2].correct, turns[2].credit, turns[2].done) == (None, 0.0, True)
    assert task.credit(Pair("?", "y"), LOST) is None


def test_reasoning_gym(judge):
    name = next(name for name, row in reasoning_gym.TABLE.items() if row["scorer"] != "strict")
    task = reasoning_gym.named(name)()
    problem = reasoning_gym.Problem("{}", 0, "?", "known")
    assert task.verify_many([problem] * 5, ANSWERS) == VERDICTS
    assert task.verify_many([problem], ["known"]) == [True]
