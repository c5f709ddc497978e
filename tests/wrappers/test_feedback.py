import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from edgewise.wrappers import PAC, SEC, Curriculum, Progress, vector

GIVEN = np.array([[1.0, 1.0], [0.5, 0.0]])


def one():
    env = Curriculum(gym.make("Countdown-v0"), SEC(), group_size=2, problems_per_update=2)
    env.reset(seed=0)
    return env, lambda: [(env.step("no"), i < 3 and env.reset()) for i in range(4)]


def many():
    envs = vector.Curriculum(gym.make_vec("Countdown-v0", num_envs=4, group_size=2), SEC())
    envs.reset(seed=0)
    return envs, lambda: envs.step(["no"] * 4)


@pytest.fixture(params=[one, many])
def posed(request):
    """A curriculum that has posed its first problems, and how to answer all of a batch."""
    return request.param()


def refuse(env, given, error, message):
    before, batch = env.lesson.rule.state_dict(), env.lesson.batch()
    with pytest.raises(error, match=message):
        env.feedback(given)
    assert env.lesson.rule.state_dict() == before and env.lesson.batch() == batch


def test_feedback_before_the_step_is_refused(posed):
    refuse(posed[0], GIVEN, ResetNeeded, "once a batch is complete")


def test_feedback_after_learning_is_refused(posed):
    env, answer = posed
    answer()
    env.learn()
    refuse(env, GIVEN, ResetNeeded, "before it is learned")


def test_feedback_is_given_once(posed):
    env, answer = posed
    answer()
    env.feedback(GIVEN)
    refuse(env, GIVEN, ValueError, "once for each batch")
    env.learn()
    assert env.lesson.rule.values.max() > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (GIVEN.ravel(), r"`abs_advantages` must have shape \(2, 2\), got \(4,\)"),
        (GIVEN[:1], r"`abs_advantages` must have shape \(2, 2\), got \(1, 2\)"),
        (GIVEN * np.nan, "`abs_advantages` must be finite and at least 0"),
        (GIVEN + np.inf, "`abs_advantages` must be finite and at least 0"),
        (-GIVEN, "`abs_advantages` must be finite and at least 0"),
    ],
)
def test_feedback_must_be_of_the_completions(posed, given, message):
    env, answer = posed
    answer()
    refuse(env, given, ValueError, message)
    env.feedback(GIVEN)


def with_arm_7(lesson, group):
    """Put an arm that does not exist in the place of that of a group."""
    batch = lesson.batch()
    batch["arms"][group] = 7
    lesson.load_batch(batch)


def test_an_arm_that_does_not_exist_changes_nothing(posed):
    env, answer = posed
    answer()
    with_arm_7(env.lesson, 0)
    with pytest.raises(ValueError, match=r"`arms` must be in range\(3\)"):
        env.learn()
    assert env.lesson.rule.values.tolist() == [0, 0, 0]


@pytest.mark.parametrize("bad", ["arm", "reward"])
def test_what_a_rule_refuses_leaves_its_signal_as_it_was(bad):
    rule = SEC(signal=Progress())
    envs = vector.Curriculum(gym.make_vec("Countdown-v0", num_envs=4, group_size=2), rule)
    envs.reset(seed=0)
    envs.step(["no"] * 4)
    envs.learn()
    before, metrics = rule.signal.state_dict(), envs.metrics()
    envs.reset()
    envs.step(["no"] * 4)
    if bad == "arm":
        with_arm_7(envs.lesson, 1)
    else:
        envs.lesson.set_outcomes(0, [np.nan], [False], True, [2])
    with pytest.raises(ValueError, match=r"`arms` must be in range\(3\)|`signal` must be finite"):
        envs.learn()
    assert rule.signal.state_dict() == before and envs.metrics() == metrics
    assert rule.values.tolist() == [0, 0, 0]


def test_a_rule_of_two_numbers_is_carried_out_and_its_values_are_logged():
    envs = vector.Curriculum(gym.make_vec("Countdown-v0", num_envs=8, group_size=4), PAC())
    envs.reset(seed=0)
    right = [rf"\boxed{{{problem.solution}}}" for problem in envs.unwrapped.problems]
    envs.step([right[0], "", "", "", right[1], right[1], "", ""])
    metrics = vector.teach(envs, np.ones((2, 4)))
    assert metrics["arm/0_value"] == 0.0 and metrics["abs_advantage"] == 1.0
    assert envs.lesson.rule.means.max() > 0 and envs.lesson.rule.step == 1
