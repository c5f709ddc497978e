import numpy as np
import pytest

from edgewise.wrappers import DUMP, PAC, RLVE, TSCL, AdaRFT, Groups, SuccessRate
from edgewise.wrappers.rules.probability import largest_sample


def test_tscl_online(taught):
    # Q = .1 x .5, then .05 + .1 (.2 - .05); arm 1 has never moved
    rule = taught(TSCL(), 2, {0: 0.5}, {0: [0.6, 0.8]})
    np.testing.assert_allclose(rule.arm_values(), [0.065, 0.0])
    np.testing.assert_allclose(rule.probabilities(), [0.95, 0.05])


def test_tscl_counts_forgetting_as_progress(taught):
    steps = [{0: 0.9, 1: 0.9}, *[{0: 0.9, 1: 0.9}] * 60, {0: 0.8, 1: 0.9}]
    assert taught(TSCL(), 2, *steps).probabilities().argmax() == 0
    assert taught(TSCL(absolute=False), 2, *steps).probabilities().argmax() == 1


def test_tscl_window_is_the_slope_of_the_last_scores(taught):
    # steps 0, 1, 3 and .1, .2, .5: .6333 / 4.6667; arm 1 has one score, which says nothing: 1
    steps = [{0: 0.1}, {0: 0.2}, {1: 0.7}, {0: 0.5}]
    rule = taught(TSCL(estimate="window"), 2, *steps)
    np.testing.assert_allclose(rule.arm_values(), [0.135714, 1.0], atol=1e-6)
    short = taught(TSCL(estimate="window", window=2), 2, *steps)
    np.testing.assert_allclose(short.arm_values(), [0.15, 1.0])


def test_tscl_naive_learns_once_a_window(taught):
    rule = taught(TSCL(estimate="naive", window=2), 2, {0: 0.2})
    assert rule.arm_values().tolist() == [0, 0]
    rule.update(np.array([0]), np.array([0.6]))
    np.testing.assert_allclose(rule.arm_values(), [0.1 * 0.4, 0.1 * 1.0])
    assert rule.past == [rule._memory(), rule._memory()]


def test_tscl_sampling_poses_the_arm_that_draws_the_largest_difference(taught):
    # arm 0 draws .3 or -.1, arm 1 .2
    rule = taught(TSCL(estimate="sampling"), 2, {0: 0.3, 1: 0.2}, {0: 0.2})
    np.testing.assert_allclose(rule.probabilities(), [0.9 * 0.5 + 0.05] * 2)


def test_equal_samples_share():
    np.testing.assert_allclose(largest_sample([[0.3, 0.1], [0.3]]), [0.25, 0.75])
    np.testing.assert_allclose(largest_sample([[1.0]] * 5), 0.2)
    # all of three alike 1/4: 1/3 each; else the first two share
    np.testing.assert_allclose(
        largest_sample([[1.0], [1.0], [0.0, 0.0, 0.0, 1.0]]), [11 / 24, 11 / 24, 2 / 24]
    )


def test_tscl_draws_by_temperature(taught):
    rule = taught(TSCL(temperature=0.0004), 2, {0: 0.001})  # Q = [.0001, 0]
    np.testing.assert_allclose(rule.probabilities()[0], 1 / (1 + np.exp(-0.25)))


def test_dump_worked_by_hand(taught):
    # ln 4 = 1.3863: UCB = [.7 + .9614, .2 + 1.1774]; p = 1 / (1 + exp(-2.839))
    rule = taught(DUMP(count="problems"), 2, {0: [[0.6, 8], [0.8, 8]], 1: [[0.2, 8]]})
    np.testing.assert_allclose(rule.arm_values(), [1.6614, 1.3774], atol=5e-5)
    np.testing.assert_allclose(rule.probabilities(), [0.9448, 0.0552], atol=5e-5)


def test_dump_counts_completions(taught):
    # of (7, 1) problems (.196, .804), of their (56, 8) completions (.549, .451)
    for count, expected in (("problems", 0.196), ("rollouts", 0.549)):
        rule = taught(DUMP(count=count), 2, {0: [[0.8, 8]] * 7, 1: [[0.2, 8]]})
        np.testing.assert_allclose(rule.probabilities()[0], expected, atol=5e-4)
    assert DUMP().count == "rollouts"


def test_dump_takes_any_signal_of_one_number():
    rule = DUMP(signal=SuccessRate())
    rule.start(1)
    groups = Groups(*(np.ones((2, 4), kind) for kind in (float, bool, float, int)))
    assert rule.signal(groups, np.zeros(2, int)).tolist() == [[1.0, 4.0]] * 2


def test_dump_forgets_what_left_the_window(taught):
    rule = taught(DUMP(window=2, count="problems"), 1, {0: [[0.9, 8], [0.1, 8], [0.3, 8]]})
    np.testing.assert_allclose(rule.arm_values(), 0.2 + np.sqrt(2 * np.log(4) / 4))


def test_pac_worked_by_hand(taught):
    # u = [.8, .4], rho = [1.5, .5]: mu = [1.2 / 2.5, .2 / 1.5], v = [1 / 2.5, 1 / 1.5] + .02
    rule = taught(PAC(cold_steps=2), 2, {0: [[0.9, 0.5], [0.9, 0.5], [0.6, 0.5]], 1: [[0.4, 0.25]]})
    np.testing.assert_allclose(rule.means, [0.48, 0.13333], atol=1e-5)
    np.testing.assert_allclose(rule.variances, [0.42, 0.68667], atol=1e-5)
    assert rule.probabilities().tolist() == [0.5, 0.5]  # cold
    # slopes [.2, 0]: s_prog = [1, 0], s_adv = [.7, .4], u = [1.4, .4], rho = [1, 1]
    rule.update(np.array([0, 1]), np.array([[0.6, 0.7], [0.4, 0.25]]))
    np.testing.assert_allclose(rule.utilities(), [1.4, 0.4], atol=1e-6)
    np.testing.assert_allclose(rule.means, [0.75211, 0.24190], atol=1e-5)
    assert rule.probabilities()[0] > 0.6


def test_pac_moves_by_the_share_of_an_arm(taught):
    # slopes .02 and -.02: u = (1.5 x .8, .5 x .4), 3 and 1 of 4: rho = (1.5, .5); v + .02
    rule = taught(PAC(), 2)
    rule.step = 1
    for past, advantage in zip(rule.past, (0.8, 0.4), strict=True):
        past.append([0, advantage, 0.5])
    rule.update(np.array([0, 0, 0, 1]), np.array([*[[0.8, 0.52]] * 3, [0.4, 0.48]]))
    np.testing.assert_allclose(rule.utilities(), [1.2, 0.2], atol=1e-6)
    np.testing.assert_allclose(rule.means, [0.72, 0.066667], atol=1e-6)
    np.testing.assert_allclose(rule.variances, [0.42, 0.686667], atol=1e-6)


def test_rlve_raises_the_window_when_its_hardest_is_solved(taught):
    rule = taught(RLVE(width=2), 4, {0: [1.0] * 7})
    assert rule.hardest == 0
    rule.update(np.array([0]), np.array([1.0]))
    assert rule.probabilities().tolist() == [0.5, 0.5, 0, 0]
    rule.update(np.array([0] * 20), np.ones(20))  # not of the hardest
    assert rule.hardest == 1 and rule.count == 0
    rule.update(np.array([1] * 8), np.array([1.0] * 7 + [0.0]))  # .875
    assert rule.hardest == 1 and rule.count == 0
    for arm in (1, 2, 3, 3):
        rule.update(np.array([arm] * 8), np.ones(8))
    assert rule.probabilities().tolist() == [0, 0, 0.5, 0.5]


def test_adarft_follows_the_success(taught):
    # T = 50 tanh(1) = 38.08, near 50; then twice that; then back by as much, and not below 0
    rule = taught(AdaRFT(), 3, {0: 1.0})
    assert rule.now == pytest.approx(38.0797, abs=1e-4)
    assert rule.probabilities().tolist() == [0, 1, 0]
    rule.update(np.array([1]), np.array([0.5]))
    assert rule.now == pytest.approx(38.0797, abs=1e-4)
    rule.update(np.array([1, 1]), np.array([1.0, 1.0]))
    assert rule.probabilities().tolist() == [0, 0, 1]
    for _ in range(3):
        rule.update(np.array([2]), np.array([0.0]))
    assert rule.now == 0.0 and rule.probabilities().tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TSCL(estimate="linear"), "`estimate` must be one of online, naive"),
        (lambda: TSCL(window=1), "`window` must be at least 2, got 1"),
        (lambda: TSCL(epsilon=2), r"`epsilon` must be in \[0, 1\], got 2"),
        (lambda: TSCL(temperature=0), "`temperature` must be positive, got 0"),
        (lambda: TSCL(learning_rate=0), r"`learning_rate` must be in \(0, 1\], got 0"),
        (lambda: DUMP(count="tokens"), "`count` must be one of rollouts, problems"),
        (lambda: DUMP(window=0), "`window` must be at least 1, got 0"),
        (lambda: DUMP(temperature=0), "`temperature` must be positive, got 0"),
        (lambda: PAC(window=1), "`window` must be at least 2, got 1"),
        (lambda: PAC(drift=-1), "`drift` must be at least 0, got -1"),
        (lambda: RLVE(width=0), "`width` must be at least 1, got 0"),
        (lambda: RLVE(threshold=0), r"`threshold` must be in \(0, 1\], got 0"),
        (lambda: AdaRFT(step_size=0), "`step_size` must be positive, got 0"),
        (lambda: AdaRFT(target=101), r"`target` must be in \[0, 100\], got 101"),
        (lambda: AdaRFT(target_success=2), r"`target_success` must be in \[0, 1\], got 2"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
