"""Tasks whose workers judge pass on that a verdict is none, and that of an answer never is."""

import pytest

from edgewise import equivalence
from edgewise.envs import reasoning_gym
from edgewise.envs.math_data import MATH, Problem
from edgewise.envs.problem_file import ProblemFile
from edgewise.equivalence import equivalent, equivalent_many, readable_many
from edgewise.pool import Pool, WorkerError
from edgewise.wrappers.taught import Pair, Taught

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
ANSWERS = ["f(right", "f(wrong", "f(lost", "f(crash", "f(late"]  # that are not plain to see
VERDICTS = [True, False, None, False, False]


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    (folder / "lost_judge.py").write_text(JUDGE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        with Pool("lost_judge:run", num_workers=1, seconds=1.0) as pool:
            for module, name in (
                (equivalence, "shared_pool"),
                (equivalence, "reading_pool"),
                (reasoning_gym, "shared_pool"),
            ):
                patch.setattr(module, name, lambda: pool)
            yield pool


def test_equivalence(judge):
    assert equivalent_many(["g(1"] * 5, ANSWERS) == VERDICTS
    assert equivalent("g(1", "f(lost") is None and equivalent("1", "1") is True
    assert readable_many(["f(right", "f(wrong", "7"]) == [True, False, True]
    with pytest.raises(WorkerError, match="was killed"):
        readable_many(["f(right", "f(lost"])


@pytest.mark.parametrize("kind", [ProblemFile, MATH])
def test_data_sets_of_mathematics(judge, kind):
    problem, task = Problem("?", "g(1"), kind()
    assert task.verify_many([problem] * 5, ANSWERS) == VERDICTS
    assert [task.verify(problem, answer) for answer in ANSWERS[1:3]] == VERDICTS[1:3]


def test_problems_of_a_teacher(judge):
    task = Taught(problems=[["?", "g(1"]], kind="expression", partial=0.5)
    turns = task.turn_many(
        [Pair("?", "g(1")] * 3, [(answer + "g(1",) for answer in ("a", "b")] + [("f(lost",)]
    )
    assert [(turn.correct, turn.credit) for turn in turns[:2]] == [(False, 0.5)] * 2
    assert (turns[2].correct, turns[2].credit, turns[2].done) == (None, 0.0, True)
    assert task.credit(Pair("?", "g(1"), "f(lost") is None


def test_reasoning_gym(judge):
    name = next(name for name, row in reasoning_gym.TABLE.items() if row["scorer"] != "strict")
    task = reasoning_gym.named(name)()
    problem = reasoning_gym.Problem("{}", 0, "?", "known")
    assert task.verify_many([problem] * 5, ANSWERS) == VERDICTS
    assert task.verify_many([problem], ["known"]) == [True]
