"""The loop of SOAR with a tabular teacher and student whose optimum is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from edgewise.agents.soar.game import play, start
from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.posing import FORMATS, gather_problems
from edgewise.agents.soar.presets import SOARConfig
from edgewise.agents.soar.promotion import Promotions, dataset_rewards, median_place
from edgewise.pool import WorkerError

HARD = [Pair(f"hard {i}", "1") for i in range(20)]
TEXTS = [r"easy?\boxed{1}", r"useful?\boxed{2}", r"wrong?\boxed{3}", "no problem"]
CONFIG = SOARConfig(num_steps=60, dataset_size=4, num_students=3, num_hard=10, promote=False)


class TableTeacher:
    """A logit for each of the texts."""

    def __init__(self, texts=TEXTS, learning_rate=4.0):
        self.texts, self.learning_rate = texts, learning_rate
        self.logits, self.rng = np.zeros(len(texts)), np.random.default_rng(0)

    def chances(self):
        weights = np.exp(self.logits - self.logits.max())
        return weights / weights.sum()

    def ask(self, count):
        self.drawn += (drawn := self.rng.choice(len(self.texts), count, p=self.chances()).tolist())
        return [self.texts[place] for place in drawn]

    def write(self, count):
        self.drawn = []
        self.posed = gather_problems(self.ask, FORMATS["compact"], count, 5 * count)
        return self.posed

    def learn(self, rewards):
        advantages = rewards - (rewards.sum() - rewards) / (len(rewards) - 1)
        places = np.array(self.drawn)[self.posed.places].reshape(len(rewards), -1)
        for advantage, row in zip(advantages, places, strict=True):
            for place in row:
                gradient = np.eye(len(self.texts))[place] - self.chances()
                self.logits = self.logits + self.learning_rate * advantage * gradient / places.size
        return {}

    def state_dict(self):
        return {"logits": self.logits.tolist(), "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state):
        self.logits = np.array(state["logits"])
        self.rng.bit_generator.state = state["rng"]


class TableStudent:
    """Its skill is its accuracy, and grows with the share of useful problems it trains on."""

    def __init__(self, gain=0.05):
        self.skill, self.gain, self.trained = 0.0, gain, []

    def snapshot(self):
        return {"skill": self.skill}

    def restore(self, weights):
        self.skill = weights["skill"]

    def train(self, problems, num_steps, seed):
        self.trained.append(([pair.question for pair in problems], num_steps, self.skill))
        useful = np.mean([pair.question == "useful" for pair in problems])
        noise = np.random.default_rng(seed).normal(scale=0.01)
        self.skill = min(1.0, self.skill + self.gain * (num_steps / 10) * useful + noise * useful)

    def accuracy(self, problems):
        return self.skill

    def success(self, problems, num_samples, seed):
        rates = {"easy": 1.0, "useful": 0.25, "wrong": 0.0}
        return np.array([rates[pair.question] for pair in problems])


def run(teacher, student, config=CONFIG, **kwargs):
    state = start(student, config)
    return list(play(teacher, student, HARD, config, state, **kwargs)), state


@pytest.mark.parametrize("reward", ["grounded", "learnability"])
def test_the_teacher_comes_to_write_the_useful_problems(reward):
    teacher = TableTeacher(learning_rate=200.0 if reward == "grounded" else 10.0)
    before = teacher.chances()[1]
    metrics, _ = run(teacher, TableStudent(), replace(CONFIG, reward=reward))
    assert before == 0.25 and teacher.chances()[1] > 0.9
    assert metrics[0]["reward"] < metrics[-1]["reward"]


def test_no_student_sees_a_hard_problem_and_all_start_from_the_baseline():
    student = TableStudent()
    metrics, state = run(TableTeacher(), student, replace(CONFIG, num_steps=2))
    assert len(student.trained) == 2 * 4 * 3 and len(metrics) == 2
    assert not any("hard" in " ".join(questions) for questions, _, _ in student.trained)
    assert {skill for _, _, skill in student.trained} == {0.0} and student.skill == 0.0
    assert [pair.dataset for pair in state.written] == [k for k in range(4) for _ in range(4)]
    assert {pair.step for pair in state.written} == {2}


def test_whoever_listens_hears_of_every_data_set():
    heard = []
    run(
        TableTeacher(),
        TableStudent(),
        replace(CONFIG, num_steps=2),
        progress=lambda *counts: heard.append(counts),
    )
    assert heard == [(3, 12), (6, 12), (9, 12), (12, 12)] * 2


def test_the_window_the_median_and_the_best_data_set_by_hand():
    rewards = np.array([[0.0, 0.0, 0.0], [0.06, 0.03, 0.0]])  # means 0 and .03, .015 in all
    promotions = Promotions(threshold=0.01, window=3)
    # averages: none, none, (.015 + .015 - .03) / 3 = 0; then (.015 - .03 + .015) / 3 = 0;
    # then (-.03 + .015 + .06) / 3 = .015 is above .01, and the window is empty again
    steps = [rewards, rewards, rewards - 0.045, rewards, rewards + 0.045]
    found = [promotions.update(step) for step in steps]
    assert found == [None, None, None, None, (1, 1)] and promotions.rewards == []
    assert [promotions.update(rewards) for _ in range(3)] == [None, None, (1, 1)]


@pytest.mark.parametrize("scale", [1.0, 1.001])
def test_the_average_must_be_above_the_threshold(scale):
    promotions = Promotions(threshold=0.25, window=2)
    promotions.update(np.full((2, 2), 0.25))
    assert (promotions.update(np.full((2, 2), 0.25 * scale)) is not None) == (scale > 1)


def test_the_lower_of_two_medians_and_students_that_crashed():
    nan = float("nan")
    assert [median_place(row) for row in ([4, 1, 3, 2], [1, 1], [nan, 2, nan], [5, nan, 1, 3])] == [
        3, 0, 1, 3,
    ]  # fmt: skip
    rewards = np.array([[nan, nan], [0.2, nan], [0.1, 0.2]])
    assert dataset_rewards(rewards).tolist()[1:] == pytest.approx([0.2, 0.15])
    promotions = Promotions(threshold=0.1, window=1)
    assert promotions.update(rewards) == (1, 0)
    assert promotions.update(np.full((3, 2), nan)) is None and promotions.rewards == []


def test_promotions_move_the_baseline_gather_the_best_and_lengthen_training():
    student = TableStudent(gain=0.05)
    teacher = TableTeacher([r"useful?\boxed{2}"])
    config = SOARConfig(num_steps=10, dataset_size=2, num_datasets=2, num_students=3)
    metrics, state = run(teacher, student, config)
    assert [m["step"] for m in metrics if m["promoted"]] == [3, 6, 9]
    assert [m["inner_steps"] for m in metrics] == [10] * 3 + [15] * 3 + [20] * 4  # at most 20
    assert [m["best_size"] for m in metrics] == [0] * 2 + [2] * 3 + [4] * 3 + [6] * 2
    assert [pair.step for pair in state.best] == [3, 3, 6, 6, 9, 9]
    third = next(m for m in metrics if m["promoted"])
    row = third["rewards"][third["promoted_dataset"]]
    assert row[third["promoted_student"]] == sorted(row)[1]
    baselines = [m["baseline_accuracy"] for m in metrics]
    assert baselines[3] == pytest.approx(row[third["promoted_student"]])
    assert state.champion["skill"] == state.baseline["skill"] == student.skill


DEGENERATE = {  # what is written, and what is said when attempts run out
    "same": ([r"easy?\boxed{1}"], None),
    "contradictory": ([r"easy?\boxed{1}", r"easy?\boxed{2}"], None),
    "empty": ([""], "outer step 1: the teacher wrote 0 of 16 problems in 80 attempts"),
    "unparsable": ([r"easy?\boxed{one}"], "rejected: 80 unreadable answer"),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("promote", [True, False])
def test_a_degenerate_teacher_earns_nothing_and_raises_nothing(name, promote):
    texts, message = DEGENERATE[name]
    teacher = TableTeacher(texts)
    config = replace(CONFIG, num_steps=8, promote=promote)
    metrics, state = run(teacher, TableStudent(), config)
    assert all(m["reward"] == 0 and m["num_promoted"] == 0 for m in metrics)
    assert not teacher.logits.any()
    assert (message in state.stopped and not metrics) if message else not state.stopped


class Fragile(TableStudent):
    """Crashes when it is told to."""

    def __init__(self, when, error):
        super().__init__()
        self.when, self.error = when, error

    def train(self, problems, num_steps, seed):
        super().train(problems, num_steps, seed)
        if len(self.trained) in self.when:
            self.skill = -100.0
            raise self.error


@pytest.mark.parametrize("error", [MemoryError(), FloatingPointError("nan"), RuntimeError("cuda")])
def test_a_crash_of_a_student_loses_no_outer_step(error):
    config = replace(CONFIG, num_steps=3)
    whole, _ = run(TableTeacher(), TableStudent(), config)
    # the second student of the first data set, all of the third, then of the second step's last
    student = Fragile({2, 7, 8, 9, 24}, error)
    found, _ = run(TableTeacher(), student, config)
    assert [m["crashed"] for m in found] == [4, 1, 0]
    assert found[0]["rewards"][0][::2] == whole[0]["rewards"][0][::2]
    assert found[0]["rewards"][0][1] is None and found[0]["rewards"][2] == [None] * 3
    assert found[0]["rewards"][1] == whole[0]["rewards"][1]


def test_workers_that_cannot_start_are_no_crash_of_a_student():
    with pytest.raises(WorkerError, match="cannot start"):
        run(TableTeacher(), Fragile({2}, WorkerError("cannot start")), CONFIG)


def test_if_every_student_crashes_the_teacher_learns_nothing():
    teacher = TableTeacher()
    metrics, _ = run(teacher, Fragile(range(99), MemoryError()), replace(CONFIG, num_steps=1))
    assert metrics[0]["reward"] == 0 and not teacher.logits.any()


def test_a_run_that_was_stopped_goes_on_exactly():
    config = SOARConfig(num_steps=9, dataset_size=4, num_students=2, threshold=0.0)
    whole, end = run(TableTeacher(), TableStudent(), config)
    teacher, student = TableTeacher(), TableStudent()
    state, found = start(student, config), []
    for metrics in play(teacher, student, HARD, config, state):
        found.append(metrics)
        saved = json.dumps([teacher.state_dict(), state.state_dict()])
        if metrics["step"] == 5:
            break
    teacher, student = TableTeacher(), TableStudent()
    state = start(student, config)
    states = json.loads(saved)
    teacher.load_state_dict(states[0])
    state.load_state_dict(states[1])
    found += play(teacher, student, HARD, config, state)
    assert found == whole and state.state_dict() == end.state_dict()
    assert end.num_promoted > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_datasets": 1}, "`num_datasets` must be at least 2, got 1"),
        ({"num_students": 0}, "`num_students` must be at least 1"),
        ({"max_inner_steps": 5}, "`max_inner_steps` must be at least 10"),
        ({"reward": "learnable"}, "`reward` must be"),
    ],
)
def test_sizes_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        SOARConfig(**options)
