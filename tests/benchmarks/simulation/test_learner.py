"""The learner's numbers, by hand and against the algorithms of language models."""

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms import grpo, rloo  # noqa: E402
from edgewise.agents.algorithms.filters import FILTERS  # noqa: E402
from edgewise.agents.algorithms.rollout import collect  # noqa: E402
from edgewise.answer import extract_answer  # noqa: E402
from edgewise.benchmarks.simulation.env import SimulatedVectorEnv  # noqa: E402
from edgewise.benchmarks.simulation.learner import (  # noqa: E402
    SimulatedLearner,
    start,
    train,
)
from edgewise.benchmarks.simulation.skills import (  # noqa: E402
    ADVANTAGES,
    Draws,
    leave_one_out,
    mean_success,
    normal,
)
from edgewise.benchmarks.simulation.worlds import WORLDS, World, falling  # noqa: E402
from edgewise.wrappers import SEC, Random, make_rule, vector  # noqa: E402
from edgewise.wrappers.rules.signal import group_advantages  # noqa: E402


def world(*skills, **parts):
    """Arms of these skills that have nothing to do with one another, and problems all alike."""
    num_arms = parts.pop("num_arms", len(skills))
    transfer = falling(num_arms, 0.0, 0.0, num_ood=len(skills) - num_arms)
    return World(np.array(skills), **{"transfer": transfer, "spread": 0.0, **parts})


def groups(*right, size=8):
    """One group of outcomes for each number of right ones."""
    return np.arange(size) < np.array(right)[:, None]


def binomial(p, size=8):
    """The probability of 0, 1 ... size right."""
    return np.array(
        [np.prod([(size - i) / (i + 1) for i in range(k)]) * p**k for k in range(size + 1)]
    ) * (1 - p) ** np.arange(size, -1, -1)


@pytest.mark.parametrize("right", [1.0, 0.3])
def test_advantages_are_those_of_the_algorithms_on_tensors(right):
    rewards = np.where(groups(*range(9)), right, 0.1)
    tensor = torch.as_tensor(rewards)
    assert set(ADVANTAGES) == {"grpo", "rloo"}
    for name, published in (("grpo", grpo.group_advantages), ("rloo", rloo.leave_one_out)):
        np.testing.assert_allclose(ADVANTAGES[name](rewards), published(tensor), atol=1e-12)


def test_the_signal_is_that_of_finite_groups():
    # E|A| = sum over k of Bin(k; 8, .01) times 0, .619, .810, ...: .0746 * .619 + .0026 * .810
    size = np.abs(group_advantages(groups(*range(9)).astype(float))).mean(axis=1)
    assert binomial(0.01) @ size == pytest.approx(0.0483, abs=5e-5)
    assert 2 * np.sqrt(0.01 * 0.99) == pytest.approx(0.199, abs=5e-4)  # of infinite groups
    np.testing.assert_allclose(
        np.abs(leave_one_out(groups(0, 1, 2).astype(float))).mean(axis=1), [0, 0.25, 3 / 7]
    )


def test_sampled_groups_have_that_signal():
    learner = SimulatedLearner(world(np.log(0.01 / 0.99), 0.0))
    envs = SimulatedVectorEnv(8 * 20_000, group_size=8, num_arms=2)
    envs = vector.Curriculum(envs, make_rule("subset:arms=[0]", 1))
    state = start(0)
    metrics = next(train(envs, learner, 1, state))
    assert metrics["abs_advantage"] == pytest.approx(0.0483, abs=0.003)
    assert state.rollouts == 160_000


def test_a_step_worked_by_hand():
    # 1 of 4 right: A = .75 / .5 = 1.5 and three times -.5; mean of A y = .375. Of two problems,
    # one of arm 0 and one all wrong: g = (.375 / 2, 0); arm 1 gains half of it.
    transfer = np.array([[1.0, 0.5], [0.0, 1.0]])
    start_skills = np.array([0.3, -2.0])
    learner = SimulatedLearner(World(start_skills, transfer, learning_rate=2.0, spread=0.0))
    correct = groups(1, 0, size=4)
    advantages = ADVANTAGES["grpo"](correct.astype(float))
    learner.improve(np.array([1, 2]), np.array([5, 6]), correct, advantages)
    np.testing.assert_allclose(learner.skills, [0.3 + 0.375, -2.0 + 0.1875], atol=1e-5)


def test_the_step_is_the_gradient_of_the_log_likelihood():
    # sum A log p(y) / (P G) with p = sigma(theta + d), by automatic differentiation
    learner = SimulatedLearner(world(0.5, -1.0, 0.0, spread=0.7, learning_rate=1.0))
    levels, seeds = np.array([1, 2, 1, 3]), np.array([11, 12, 13, 14])
    correct = groups(1, 3, 5, 2, size=6)
    advantages = np.random.default_rng(0).normal(size=correct.shape)  # which need not sum to 0
    theta = torch.tensor(learner.skills, requires_grad=True)
    easiness = torch.as_tensor(0.7 * normal(seeds, 0))
    outcomes = torch.distributions.Bernoulli(logits=(theta[levels - 1] + easiness)[:, None])
    (
        torch.as_tensor(advantages) * outcomes.log_prob(torch.as_tensor(correct).double())
    ).mean().backward()
    before = learner.skills.copy()
    learner.improve(levels, seeds, correct, advantages)
    np.testing.assert_allclose(learner.skills - before, theta.grad, atol=1e-12)


def test_what_is_not_practised_is_forgotten_toward_the_first_skill():
    learner = SimulatedLearner(world(0.0, -1.0, forgetting=0.1))
    learner.skills = np.array([1.0, 2.0])
    nothing = groups(0, size=4)
    learner.improve(np.array([1]), np.array([0]), nothing, np.zeros((1, 4)))
    np.testing.assert_allclose(learner.skills, [0.9, 1.7])


def test_a_locked_arm_is_never_solved_until_the_arm_before_is_learned():
    locked = np.array([False, True, True])
    learner = SimulatedLearner(world(-0.1, 5.0, 5.0, locked=locked))
    assert learner.accuracy()[1:].tolist() == [0.0, 0.0]
    envs = SimulatedVectorEnv(512, group_size=8, num_arms=3)
    envs = vector.Curriculum(envs, make_rule("subset:arms=[1,2]", 1))
    metrics = next(train(envs, learner, 1, start(0)))
    assert metrics["accuracy"] == metrics["abs_advantage"] == 0
    assert learner.skills.tolist() == [-0.1, 5.0, 5.0]
    learner.skills[0] = 0.0
    assert learner.unlocked().all() and learner.accuracy()[2] > 0.99


def test_easiness_is_normal_and_of_the_problem_and_the_salt_alone():
    draws = normal(np.arange(100_000), salt=1)
    assert abs(draws.mean()) < 0.01 and abs(draws.std() - 1) < 0.01
    assert normal(np.array([70_000]), salt=1)[0] == draws[70_000]
    assert abs(np.corrcoef(draws, normal(np.arange(100_000), salt=2))[0, 1]) < 0.02
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.02


def test_accuracy_is_the_mean_over_problems():
    skills = np.array([-3.0, 0.0, 1.5])
    problems = 1 / (1 + np.exp(-(skills[:, None] + 1.3 * normal(np.arange(200_000), salt=0))))
    np.testing.assert_allclose(mean_success(skills, 1.3), problems.mean(axis=1), atol=2e-3)


def test_the_same_seed_is_the_same_run():
    def skills(seed):
        envs = vector.Curriculum(SimulatedVectorEnv(128, group_size=8, num_arms=4), SEC())
        envs.reset(seed=seed)
        learner = SimulatedLearner(WORLDS["neighbours"](4, seed))
        list(train(envs, learner, 5 * 128, start(seed), FILTERS["dapo"]()))
        return learner.skills

    np.testing.assert_array_equal(skills(3), skills(3))
    assert (skills(3) != skills(4)).all()


@pytest.mark.parametrize("algorithm", ADVANTAGES)
def test_practice_makes_right(algorithm):
    envs = vector.Curriculum(SimulatedVectorEnv(256, group_size=8, num_arms=3), Random())
    envs.reset(seed=0)
    learner = SimulatedLearner(WORLDS["independent"](3, 0), algorithm)
    before = learner.accuracy()
    list(train(envs, learner, 40 * 256, start(0)))
    gained = learner.accuracy() - before
    assert gained[:3].min() > 0 and gained[:3].mean() > 0.1 and gained[3:].tolist() == [0, 0]


@pytest.mark.parametrize("name", FILTERS)
def test_filters_reject_groups_and_are_paid_from_the_budget(name):
    envs = vector.Curriculum(SimulatedVectorEnv(128, group_size=8, num_arms=9), Random())
    envs.reset(seed=0)
    learner, state = SimulatedLearner(WORLDS["neighbours"](9, 0)), start(0)
    steps = list(train(envs, learner, 12 * 128, state, FILTERS[name]()))
    assert len(steps) < 12 <= state.rollouts / 128
    assert sum(step["num_extra_rollouts"] for step in steps) == state.rollouts - 128 * len(steps)
    assert np.mean([step["effective_prompts"] for step in steps]) > 0.9


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: SimulatedLearner(world(0.0, 0.0), "ppo"), "`algorithm` must be one of grpo, rloo"),
        (lambda: world(0.0, spread=-1.0), "`spread` must be at least 0, got -1.0"),
        (lambda: world(0.0, forgetting=1.0), r"`forgetting` must be in \[0, 1\), got 1.0"),
        (lambda: world(0.0, learning_rate=0.0), "`learning_rate` must be positive, got 0.0"),
        (lambda: world(0.0, locked=np.zeros(2, bool)), "`locked` must be of 1 arms"),
        (lambda: World(np.zeros(1), np.ones((2, 1))), r"`transfer` must be \(K, M\)"),
        (lambda: WORLDS["locked"](1, 0), "`num_arms` must be at least 2, got 1"),
    ],
)
def test_what_is_wrong_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_one_completion_has_no_advantage():
    envs = vector.Curriculum(SimulatedVectorEnv(4, num_arms=2), Random())
    with pytest.raises(ValueError, match="`group_size` must be at least 2, got 1"):
        next(train(envs, SimulatedLearner(world(0.0, 0.0)), 1, start(0)))


class Solver(gym.vector.VectorWrapper):
    """Countdown for the simulated learner: what it gets right is solved, the rest answered wrong."""

    def reset(self, *, seed=None, options=None):
        _, infos = super().reset(seed=seed, options=options)
        names = zip(infos["level"].tolist(), infos["problem_seed"].tolist(), strict=True)
        return tuple(f"{level} {problem_seed}" for level, problem_seed in names), infos

    def step(self, actions):
        base = self.env.unwrapped
        texts = []
        for place, action in enumerate(actions):
            problem = base.problems[place // base.group_size]
            answer = base.env.task.solve(problem) if action == "1" else f"{problem.target}"
            texts.append(None if action is None else rf"\boxed{{{answer}}}")
        assert all(text is None or extract_answer(text, "boxed") for text in texts)
        return super().step(texts)


RULES = ["sec", "thompson", "tscl", "pac:cold_steps=5", "rlve:threshold=0.5", "adarft", "dump"]


@pytest.mark.parametrize("keep", [None, "dapo"])
@pytest.mark.parametrize(
    "text", [*RULES[:3], *(pytest.param(text, marks=pytest.mark.slow) for text in RULES[3:])]
)
def test_rules_come_to_the_same_through_countdown_and_without_text(text, keep):
    steps, test = (50, None) if keep is None else (10, FILTERS[keep]())
    countdown = gym.make_vec("Countdown-v0", num_envs=64, group_size=8, levels=(1, 2, 3))
    simulated = SimulatedVectorEnv(64, group_size=8, num_arms=3, rewards=(1.0, 0.1))
    states = []
    for envs, outside in ((countdown, Solver), (simulated, lambda envs: envs)):
        taught = vector.Curriculum(envs, make_rule(text, steps))
        taught.reset(seed=7)
        learner = SimulatedLearner(WORLDS["neighbours"](3, 7))
        list(train(outside(taught), learner, steps * 64, start(7), test))
        rule = taught.lesson.rule
        states.append((rule.state_dict(), rule.signal.state_dict(), learner.skills.tolist()))
    assert states[0] == states[1]


def test_problem_rules_and_their_pool_work_without_text():
    envs = vector.with_rule(
        SimulatedVectorEnv(64, group_size=8, num_arms=3), make_rule("sfl", 9), 60
    )
    envs.reset(seed=0)
    learner = SimulatedLearner(WORLDS["neighbours"](3, 0))
    last = list(train(envs, learner, 9 * 64, start(0)))[-1]
    assert len(envs.arms) == 60 and 8 < last["pool/num_seen"] <= 60


def test_collect_answers_every_environment():
    envs = SimulatedVectorEnv(12, group_size=4, num_arms=3)
    learner, generator = SimulatedLearner(world(9.0, -9.0, 0.0)), torch.Generator().manual_seed(0)
    groups_of = {"groups": [{"level": 1}, {"level": 2}, {"level": 3}]}
    rollout = collect(envs, learner, None, generator, options=groups_of)
    assert rollout.correct[0].all() and not rollout.correct[1].any()
    assert rollout.infos["level"].tolist() == [1, 2, 3]
    assert rollout.completions.logprobs.max() <= 0


@pytest.mark.parametrize("seed", [0, 7, 2**31 + 7, 2**32 - 1, 10**12])
def test_draws_are_those_of_torch(seed):
    generator, draws = torch.Generator().manual_seed(seed), Draws(seed)
    for size in (1, 40, 3):
        theirs = torch.rand(size, generator=generator, dtype=torch.float64)
        assert draws.uniform(size).tolist() == theirs.tolist()
