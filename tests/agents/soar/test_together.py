"""Students of an outer step together, in one batch of an engine, are the same as in turn."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.soar.game import grounded, start  # noqa: E402
from edgewise.agents.soar.models import SharingPolicy  # noqa: E402
from edgewise.agents.soar.pairs import Pair  # noqa: E402
from edgewise.agents.soar.presets import Exam, SOARConfig, StudentConfig  # noqa: E402
from edgewise.agents.soar.together import PolicyCohort  # noqa: E402
from edgewise.executor import WorkerError  # noqa: E402

EXAM = Exam(template=r"{problem} \boxed{}:", rewards=(1.0, 0.3, 0.0))
CONFIG = StudentConfig(
    num_problems=2, group_size=4, learning_rate=1e-2, max_tokens=6, kl_coef=0.1, importance_cap=2.0
)
HARD = [Pair(f"{i}+{i}", str(i)) for i in range(6)]
DATASETS = [[Pair("5-4", "1"), Pair("3-2", "1")], [Pair("1+0", "1"), Pair("7-6", "2")]]
GAME = SOARConfig(
    num_datasets=2,
    dataset_size=2,
    num_students=2,
    inner_steps=2,
    num_hard=4,
    threshold=-9.0,
    window=1,
)


@pytest.fixture
def student(tiny_model, model_engine):
    """A function that makes a student whose engine samples for several, or only for one."""

    class ManyModels(model_engine):
        """An engine of one model for each student that is at work."""

        sizes = ()

        def load_each(self, learner, weights):
            self.policies = [TransformersPolicy.load(tiny_model) for _ in weights]
            for policy, own in zip(self.policies, weights, strict=True):
                policy.load_state_dict(own)

        def sample_each(self, prompts, owners, sampling, seeds, ends):
            self.sizes = (*self.sizes, len(prompts))
            found = []
            for owner, prompt, seed in zip(owners, prompts, seeds, strict=True):
                self.policy = self.policies[owner]
                found += self.sample([prompt], sampling, [seed], list(ends))
            return found

    def make(many):
        engine = (ManyModels if many else model_engine)(tiny_model)
        policy = SharingPolicy(TransformersPolicy.load(tiny_model), engine)
        return PolicyCohort(policy, EXAM, CONFIG)

    return make


def played(student, config=GAME):
    state = start(student, config)
    rewards, metrics = grounded(student, DATASETS, HARD, config, state)
    return rewards, metrics, state


def test_students_together_are_those_in_turn(student):
    together, in_turn = student(True), student(False)
    assert together.together is not None and in_turn.together is None
    base = together.snapshot()
    for one in (together, in_turn):
        one.rewards, one.metrics, one.state = played(one)
    assert np.array_equal(together.rewards, in_turn.rewards)
    assert together.metrics == in_turn.metrics and together.metrics["promoted"] == 1
    for name, weight in together.state.baseline.items():
        assert torch.allclose(weight, in_turn.state.baseline[name], atol=1e-5)
    assert any((weight != base[name]).any() for name, weight in together.state.baseline.items())
    # two steps of four students with two groups of four, then four questions to each
    assert together.policy.engine.sizes == (32, 32, 16)


def test_every_student_is_its_own(student):
    one = student(True)
    seeds, base = [3, 4, 3], one.snapshot()
    found = one.train_all(base, [DATASETS[0], DATASETS[0], DATASETS[0]], 2, seeds)
    assert all(torch.equal(found[0][name], found[2][name]) for name in base)
    assert any((found[0][name] != found[1][name]).any() for name in base)
    in_turn = student(False)
    in_turn.train(DATASETS[0], 2, 4)
    alone = in_turn.snapshot()
    assert all(torch.allclose(found[1][name], alone[name], atol=1e-5) for name in base)
    asked = one.accuracies(found, HARD)
    assert asked[0] == asked[2] and len(asked) == 3


class Fragile(TransformersPolicy):
    """Crashes when it learns for the second time, wherever it is then."""

    learned = 0

    def logprobs(self, completions):
        if torch.is_grad_enabled():
            Fragile.learned += 1
            if Fragile.learned == 2:
                raise FloatingPointError("nan")
        return super().logprobs(completions)


def test_a_crash_of_one_student_leaves_the_others(student, tiny_model):
    one, other = student(True), student(True)
    one.policy.learner = Fragile.load(tiny_model)
    base, seeds = one.snapshot(), [1, 2, 3]
    whole = other.train_all(base, [*DATASETS, DATASETS[0]], 2, seeds)
    found = one.train_all(base, [*DATASETS, DATASETS[0]], 2, seeds)
    kept = [place for place, own in enumerate(found) if own is not None]
    assert len(kept) == 2
    for place in kept:
        assert all(torch.equal(found[place][name], whole[place][name]) for name in base)


@pytest.mark.parametrize("many", [True, False], ids=["together", "in turn"])
def test_an_engine_that_keeps_old_weights_is_no_crash_of_a_student(student, monkeypatch, many):
    one = student(many)
    if many:
        first = one.snapshot()
        load = one.policy.engine.load_each
        old = lambda learner, weights: load(learner, [first] * len(weights))  # noqa: E731
        monkeypatch.setattr(one.policy.engine, "load_each", old)
    else:
        monkeypatch.setattr(one.policy.engine, "load", lambda weights: None)
    with pytest.raises(WorkerError, match="`engine` must sample from the weights"):
        played(one, replace(GAME, inner_steps=4))


def test_without_an_engine_for_several_students_take_turns(tiny_model):
    student = PolicyCohort(
        TransformersPolicy.load(tiny_model), EXAM, replace(CONFIG, importance_cap=None)
    )
    assert student.together is None
    assert student.train_all(student.snapshot(), DATASETS, 1, [0, 1]) is None
    base = student.snapshot()
    assert student.accuracies([base, base], HARD) == [student.accuracy(HARD)] * 2
