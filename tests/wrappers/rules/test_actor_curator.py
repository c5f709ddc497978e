"""Actor-Curator's tables against numbers worked by hand."""

import numpy as np
import pytest

from edgewise.wrappers.rules.actor_curator import ActorCurator, ActorCuratorProblems
from edgewise.wrappers.rules.signal import Updated


def updated(*utilities):
    """Groups of two whose mean of A times the ratio is each of `utilities`."""
    advantages = np.array([[2 * u, 0.0] for u in utilities])
    return Updated(advantages, np.zeros(advantages.shape), np.ones(advantages.shape, bool))


def test_the_signal_weighs_advantages_by_the_updated_ratio():
    # (e^.02 - e^-.01) / 2
    part = Updated(np.array([[1.0, -1.0]]), np.array([[0.02, -0.01]]), np.ones((1, 2), bool))
    np.testing.assert_allclose(part.utilities(), [0.0150758], atol=5e-8)


def test_mirror_descent():
    # q = 1/3: U = (.18, 0, 0); then -.03 / .312772 = -.095917 of arm 2
    rule = ActorCurator(floor=0.0)
    rule.start(3)
    rule.learn_after(np.array([0]), updated(0.06))
    np.testing.assert_allclose(rule.probabilities(), [0.374456, 0.312772, 0.312772], atol=5e-7)
    rule.learn_after(np.array([2]), updated(-0.03))
    np.testing.assert_allclose(rule.scores, [0.18, 0.0, -0.095917], atol=5e-7)
    np.testing.assert_allclose(rule.probabilities(), [0.385483, 0.321983, 0.292534], atol=5e-7)


def test_the_code_does_not_divide_by_the_probability():
    # the mean of arm 1: .03
    rule = ActorCurator(importance=False)
    rule.start(3)
    rule.learn_after(np.array([1, 1, 0]), updated(0.02, 0.04, -0.01))
    np.testing.assert_allclose(rule.scores, [-0.01, 0.03, 0.0], atol=1e-12)


def test_the_floor_is_a_share_of_uniform_draws():
    rule = ActorCurator(floor=0.3)
    rule.start(3)
    rule.scores = np.array([50.0, 0.0, 0.0])
    np.testing.assert_allclose(rule.probabilities(), [0.8, 0.1, 0.1])


def started(**arguments):
    rule = ActorCuratorProblems(uniform_steps=0, **arguments)
    rule.start(list("abcdefgh"), [0.0] * 8)
    return rule


def test_a_problem_is_known_by_the_mean_of_its_last_visits():
    # u = .2, then the mean of .2 and .4; with a window of 1 the last alone
    for window, expected in ((10, 0.2 + 0.3), (1, 0.2 + 0.4)):
        rule = started(window=window)
        rule.learn_after(np.array([1]), updated(0.2))
        rule.learn_after(np.array([1]), updated(0.4))
        assert rule.scores[1] == pytest.approx(expected) and not rule.scores[2:].any()


def test_the_best_candidates_are_posed_and_the_rest_is_uniform():
    rule, rng = started(learning_rate=1.0), np.random.default_rng(0)
    rule.scores[:2] = 6.0  # .9926 of q in two problems
    batches = [rule.propose(3, rng) for _ in range(300)]
    assert all(set(names[:2]) == {"a", "b"} for names in batches)
    assert {names[2] for names in batches} == set("cdefgh")


def test_it_begins_uniformly():
    rule = ActorCuratorProblems(uniform_steps=1)
    rule.start(list("abcd"), [0.0] * 4)
    rule.scores[0] = 50.0
    first = {rule.propose(1, np.random.default_rng(seed))[0] for seed in range(40)}
    assert first == set("abcd")
    rule.learn_after(np.array([3]), updated(0.0))
    assert {rule.propose(1, np.random.default_rng(seed))[0] for seed in range(40)} == {"a"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ActorCurator(learning_rate=0), "`learning_rate` must be positive, got 0"),
        (lambda: ActorCurator(floor=2), r"`floor` must be in \[0, 1\], got 2"),
        (lambda: ActorCuratorProblems(window=0), "`window` must be at least 1, got 0"),
        (lambda: ActorCuratorProblems(top=0), r"`top` must be in \(0, 1\], got 0"),
        (lambda: ActorCuratorProblems(uniform_steps=-1), "`uniform_steps` must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
