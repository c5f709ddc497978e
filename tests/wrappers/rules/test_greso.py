"""GRESO, by numbers worked by hand."""

import numpy as np

from edgewise.wrappers import GRESO, Groups
from edgewise.wrappers.rules.signal import group_advantages

POOL = (list("abcdefgh"), [0.0, 0.0, 0.0, 50.0, 50.0, 50.0, 100.0, 100.0])


def groups(*right, size=4):
    """One group for each number of right completions."""
    correct = np.arange(size) < np.array(right)[:, None]
    rewards = correct.astype(float)
    lengths = np.ones(rewards.shape, np.int64)
    return Groups(rewards, correct, np.abs(group_advantages(rewards)), lengths)


def started(rule, *steps):
    """Start on the pool, and observe {name: right} steps."""
    rule.start(*POOL)
    for step in steps:
        rule.observe(list(step), groups(*step.values()))
    return rule


def rng():
    return np.random.default_rng(0)


def test_greso_of_the_released_code():
    # e = .5: z = 1 .. 8, then the floor of .01
    rule = started(GRESO())
    rule.streaks[:] = np.arange(1, 9)
    kept = [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.01, 0.01]
    np.testing.assert_allclose(rule.keep_probabilities(), kept)
    # all right, then all wrong: a streak of one; one of 16 is hard; mixed ends both
    rule = started(GRESO(), {"a": 4, "b": 4}, {"a": 0, "b": 4}, {"b": 2})
    assert rule.streaks[:2].tolist() == [1, 0]
    rule.observe(["c"], groups(1, size=16))
    assert rule.streaks[2] == 1 and rule.keep_probabilities()[2] == 0.5


def test_greso_moves_its_chances_after_the_first_pass_and_up_to_a_cap():
    rule = started(GRESO(step=0.3), {"a": 4, "b": 0, "c": 2})
    assert rule.chances.tolist() == [0.5, 0.5]
    rule.passes = 2
    rule.observe(list("abc"), groups(4, 0, 2))
    np.testing.assert_allclose(rule.chances, [0.2, 0.2])
    for _ in range(4):
        rule.observe(list("abc"), groups(2, 2, 2))
    assert rule.chances.tolist() == [0.95, 0.95]
    # a share that is the target falls: 1 of 4
    exact = GRESO(target_easy=0.25, target_hard=0.25)
    for variant, moved in (("code", 0.49), ("v0.1", 0.51)):
        exact.variant = variant
        started(exact)
        exact.passes = 2
        exact.observe(list("abcd"), groups(4, 0, 2, 2))
        np.testing.assert_allclose(exact.chances, moved)


def test_greso_of_before_worked_by_hand():
    # a twice all right, b twice all wrong, c once mixed: e_easy falls (2/3 > 1/12), e_hard too
    rule = started(
        GRESO(variant="v0.1", most=1.0, keep=0.0),
        {"a": 4, "b": 0, "c": 4},
        {"a": 4, "b": 0, "c": 1},
    )
    np.testing.assert_allclose(rule.chances, [0.48, 0.48])
    np.testing.assert_allclose(rule.keep_probabilities()[:4], [0.48**2, 0.48**2, 1, 1])
    rule.observe(["c"], groups(2))
    np.testing.assert_allclose(rule.chances, [0.49, 0.49])
    rule.observe(["b", "b"], groups(0, 0))  # rejected by a filter, and proposed again
    assert rule.streaks.tolist()[:3] == [2, 4, 0]
    rule.observe(["a"], groups(0))  # one streak through a change of kind
    assert rule.streaks[0] == 3


def test_greso_skips_and_still_fills_the_batch():
    rule = started(GRESO(least=1e-9, explore=1e-9, keep=0.0), {"a": 4, "b": 0})
    generator = rng()
    for _ in range(4):
        assert not {"a", "b"} & set(rule.propose(3, generator))
        rule.queue.clear()
    assert set(rule.propose(8, generator)) == set("abcdefgh")
