"""Phases of a fresh student, nested intervals, and the step from which the paper tests."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from edgewise.agents.soar.check import shuffled
from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.presets import GAMES, FreshPlan
from edgewise.benchmarks.studies.soar_statistics import (
    nested_interval,
    phases,
    settled_step,
    train_fresh,
)

WRITTEN, HARD = [Pair("1+1", "2")], [Pair("1+1+1", "3"), Pair("2+2+2", "6")]


def test_a_fresh_student_trains_in_the_two_ways_of_the_paper():
    plan = FreshPlan(num_steps=100, written_steps=64)
    assert phases(WRITTEN, HARD, plan) == [(WRITTEN, 64), (HARD, 36)]
    mixed = replace(plan, mixing="mixed")
    assert phases(WRITTEN, HARD, mixed) == [([*WRITTEN, *HARD], 100)]
    assert phases([], HARD, plan) == phases([], HARD, mixed) == [(HARD, 100)]
    with pytest.raises(ValueError, match="`mixing` must be one of"):
        phases(WRITTEN, HARD, replace(plan, mixing="both"))


def test_the_interval_covers_the_spread_of_teachers_not_only_of_problems():
    rng = np.random.default_rng(0)
    alike = {t: {s: [[1, 0] * 20] for s in range(2)} for t in range(4)}
    differing = {t: {s: [[int(t < 2)] * 40] for s in range(2)} for t in range(4)}
    found = nested_interval(alike, 2, 1, rng)
    assert found.value == 0.25 and 0.15 < found.low < 0.25 < found.high < 0.35
    found = nested_interval(differing, 2, 1, rng)
    assert str(found) == "0.250 [0.000, 0.500]"  # all four teachers may be the same
    # pass@2 of 2: whether any is right
    assert nested_interval(alike, 2, 2, rng).value == 0.5


def test_one_teacher_and_student_leave_the_spread_of_problems():
    rng = np.random.default_rng(0)
    found = nested_interval({0: {0: [[32] * 10]}}, 32, 8, rng)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    # of two tests the mean of pass@k counts, not pass@k of the mean
    assert nested_interval({0: {0: [[32] * 10, [0] * 10]}}, 32, 8, rng).value == 0.5


def test_the_step_after_which_rewards_no_longer_rise():
    # flat, a rise of 1 over steps 40 to 60, flat again: the average of 25 is flat from step 72 on
    rewards = np.clip((np.arange(120) - 40) / 20, 0, 1)
    assert 68 <= settled_step(rewards.tolist()) <= 73
    assert settled_step([0.0] * 10) == 9 and settled_step([0.5] * 60) == 59


class Riser:
    """A student whose reward rises over 20 steps of its last phase, and then stays."""

    def restore(self, weights):
        self.step = 0

    def train_in_turn(self, parts, seed, told):
        begun = sum(num_steps for _, num_steps in parts[:-1])
        for _ in range(sum(num_steps for _, num_steps in parts)):
            self.step += 1
            told({"reward": min(max(self.step - begun, 0) / 20, 1.0)})


def test_the_papers_rule_tests_a_student_while_its_rewards_no_longer_rise():
    student = Riser()

    def tested(*sizes, every=None):
        parts = [(HARD, size) for size in sizes]
        test = lambda: [student.step]  # noqa: E731
        return train_fresh(student, {}, parts, test, seed=0, test_every=every)

    assert tested(400) == [[400]]
    steps = [step for (step,) in tested(400, every=10)]
    assert steps == list(range(steps[0], steps[0] + 200, 10)) and 20 <= steps[0] <= 50
    later = [step for (step,) in tested(60, 400, every=10)]
    assert later == [step + 60 for step in steps]  # the first phase is not looked at
    assert tested(10, every=100) == [[10]]


def test_shuffled_answers_are_those_of_other_questions():
    pairs = [Pair(str(i), str(i)) for i in range(10)]
    moved = shuffled(pairs, 3)
    assert all(pair.question != pair.answer for pair in moved)
    assert sorted(pair.answer for pair in moved) == [pair.answer for pair in pairs]
    halves = [Pair(str(i), str(i // 5)) for i in range(10)]  # only one turn leaves none right
    assert [pair.answer for pair in shuffled(halves, 0)] == ["1"] * 5 + ["0"] * 5


def test_the_games_of_the_paper_have_its_numbers():
    game = GAMES["llama-math"]
    soar, teacher, student = game.soar, game.teacher, game.student
    assert (soar.num_steps, soar.num_datasets, soar.dataset_size, soar.num_students) == (
        200,
        4,
        64,
        4,
    )
    assert (soar.inner_steps, soar.threshold, soar.window, soar.num_hard) == (10, 0.01, 3, 64)
    assert (teacher.learning_rate, teacher.kl_coef, teacher.num_warmup_steps) == (1e-5, 1e-3, 20)
    assert (teacher.sampling.max_tokens, student.max_tokens) == (512, 1024)
    assert (student.num_problems, student.group_size, student.learning_rate) == (8, 32, 1e-5)
    assert game.fresh == FreshPlan(1500, 64, "curriculum", 20, 128, 32)
    assert GAMES["llama-harp"].fresh.mixing == "mixed"
    prompt = game.exam.frame.text("What is 1+1?")
    assert prompt.endswith("\\boxed{[answer]}.\n\nUser: What is 1+1? Assistant:")
