"""A rule as prime-rl's task sampler: its contract as read, on verifiers' own tasks, traces and episodes.

prime-rl itself is on no index: its orchestrator is not run here. What it does with a sampler is in `Orchestra`.
"""

import asyncio
import inspect
import json
import pickle
from collections import Counter, deque

import numpy as np
import pytest

pytest.importorskip("verifiers")

import verifiers.v1 as vf

import edgewise
from edgewise.agents.integrations import named
from edgewise.agents.integrations.prime import MAX_WAITING, RuleSampler
from edgewise.agents.integrations.verifiers import ProblemsConfig

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("default")]
HOSTILE = "\\boxed{1}\\boxed{2} <answer>1</answer> __import__('os') {{7*7}}"
CONTRACT = {  # of TaskSampler in prime_rl/orchestrator/curriculum/samplers/base.py
    "__next__": ["self"],
    "observe": ["self", "group"],
    "state_dict": ["self"],
    "load_state_dict": ["self", "state_dict"],
    "metrics": ["self"],
}
SHAPE = (4, 3)


def sampler(rule="sec:learning_rate=0.5:temperature=0.2", shape=SHAPE, **config):
    taskset = ProblemsConfig(
        id="edgewise_verifiers", **{"preset": "e2h", "split": "train", "num_problems": 0, **config}
    )
    return RuleSampler(taskset, rule, *shape, seed=3)


def answered(task, texts, errors=()):
    """The episodes of a group: each text is scored by the task, as verifiers does."""
    told = vf.TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash)
    episodes = []
    for place, text in enumerate(texts):
        node = vf.MessageNode(message=vf.AssistantMessage(content=text), sampled=True)
        agent = vf.AgentInfo(config=vf.AgentConfig())
        trace = vf.Trace(task=told, agent=agent, nodes=[node], ok=place not in errors)
        trace.record_reward("reward", asyncio.run(task.reward(trace)))
        trace.record_metric("correct", asyncio.run(task.correct(trace)))
        episodes.append(
            vf.Episode(task=told, group=vf.GroupInfo(id=task.key), traces=[trace], ok=True)
        )
    return episodes


def texts_of(task, rng=None):
    """One answer right, one wrong, one hostile; with `rng` those of level 2 alone are told apart."""
    env = edgewise.pose(task.key)
    right = env.demonstrate(env.problem)
    if rng is None:
        return [right, "no", HOSTILE]
    return [right if task.data.level == 2 and rng.random() < 0.5 else "no" for _ in range(SHAPE[1])]


class Orchestra:
    """Draws tasks while others are being answered, as prime-rl's dispatcher does, and reports in another order."""

    def __init__(self, sampler, in_flight, seed=0):
        self.sampler, self.in_flight = sampler, in_flight
        self.rng, self.out, self.drawn, self.lags = np.random.default_rng(seed), deque(), [], []

    def run(self, count):
        while len(self.drawn) < count:
            while len(self.out) < self.in_flight:
                task = next(self.sampler)
                self.out.append(task)
                self.drawn.append(task.key)
                self.lags.append(self.sampler.lag)
            self.out.rotate(int(self.rng.integers(len(self.out))))
            task = self.out.popleft()
            self.sampler.observe(answered(task, texts_of(task, self.rng)))
        return self


def test_it_has_the_methods_that_prime_rl_calls():
    for name, parameters in CONTRACT.items():
        assert list(inspect.signature(getattr(RuleSampler, name)).parameters) == parameters
    made = sampler()
    assert iter(made) is made


def test_rewards_that_the_rule_hears_are_ours_row_by_row():
    made, seen = sampler("random", (40, 3)), Counter()
    expected = []
    for _ in range(40):
        task = next(made)
        group = answered(task, texts_of(task))
        outcomes = named.score([task.key] * 3, texts_of(task), begun=False)
        assert [one.traces[0].reward for one in group] == [one.reward for one in outcomes]
        assert [one.correct for one in outcomes] == [True, False, False]
        seen[task.data.level] += 1
        expected.append((task.key, [one.reward for one in outcomes]))
        made.observe(group)
    records = made.curriculum.records()
    assert [(one["problem"], one["rewards"]) for one in records] == expected
    assert min(seen.values()) >= 5 and len(seen) >= 3


def test_the_rule_learns_and_says_by_how_many_batches_it_lags():
    for in_flight, lag in ((1, 0), (4, 1), (8, 2)):
        run = Orchestra(sampler(), in_flight).run(100)
        assert max(run.lags) >= lag and run.lags[-1] <= in_flight // SHAPE[0] + 2
        assert run.sampler.metrics()["lag"] == run.lags[-1]
        levels = Counter(json.loads(key)["level"] for key in run.drawn[-32:])
        assert levels[2] > 16  # the only level whose answers differ


def test_without_groups_in_flight_there_is_no_lag():
    assert set(Orchestra(sampler(), 1).run(40).lags) == {0}


@pytest.mark.parametrize(
    "copied", [lambda s: pickle.loads(pickle.dumps(s)), lambda s: json.loads(json.dumps(s))]
)
def test_a_restored_sampler_gives_out_what_was_lost_and_goes_on_as_it_would(copied):
    run = Orchestra(sampler(), 6).run(42)
    lost = sorted(task.key for task in run.out)
    other = sampler()
    other.load_state_dict(copied(run.sampler.state_dict()))
    again = [next(other) for _ in lost]
    assert sorted(task.key for task in again) == lost
    for task in again:
        for one in (run.sampler, other):
            one.observe(answered(task, texts_of(task)))
    ahead = [next(run.sampler).key for _ in range(20)]
    assert [next(other).key for _ in range(20)] == ahead
    assert other.curriculum.lesson.rule_state() == run.sampler.curriculum.lesson.rule_state()


def test_what_failed_came_late_or_never_does_not_teach():
    made = sampler()
    first = [next(made) for _ in range(SHAPE[0])]
    before = made.lesson.rule.probabilities().tolist()
    for task in first:
        made.observe(answered(task, texts_of(task), errors=(0, 1, 2)))
    assert made.lesson.rule.probabilities().tolist() == before
    tasks = [next(made) for _ in range(SHAPE[0] * (MAX_WAITING + 2))]
    assert len(made.state_dict()["waiting"]) == MAX_WAITING
    made.observe(answered(tasks[0], texts_of(tasks[0])))
    assert made.metrics()["late"] == 1.0


@pytest.mark.parametrize(
    ("rule", "config", "condition"),
    [
        ("sec", {"split": "test"}, "must be train"),
        ("mt-grpo", {}, "must learn before the update"),
        (
            "sec",
            {"env": "Blocksworld-v0", "preset": None, "env_options": '{"interactive": true}'},
            "one turn",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_refused(rule, config, condition):
    with pytest.raises(ValueError, match=condition):
        next(sampler(rule, **config))
