"""When E2H's stages need fewer samples than the hard task alone: Theorem 3.2 on tabular MDPs.

Parashar et al. (2025), arXiv 2506.06632, bound the samples of stage k of K by a multiple of
(L_k / eps_k)^2, logarithms aside, where eps_k is the error allowed and L_k a constant of the task.
With geometric allocation, eps_k = e^(K - k) eps_K and L_k = L_K / l^(K - k), and m times the samples
of the last stage needed without the others, the sum over stages is below the samples of learning
directly if and only if

    ((e l)^(2 (1 - K)) - 1) / (1 - (e l)^2) < m - 1.

Checked here: that the left side is what the earlier stages need, in units of the last; and, on MDPs
whose samples are computed from their transitions alone, that the inequality says which is cheaper.
A sample is an episode, and a stage lasts until its first reward: the bounds themselves, with their
powers of the horizon, are not checked.

The MDPs share states, the nodes of a binary tree, and actions, left and right; the task with way w
pays 1 at the node that w leads to, and every episode ends at the depth of w. A learner that has been
paid for a way repeats each of its actions with probability `keep`; elsewhere it is uniform.
"""

import numpy as np
import pytest


def left_side(num_stages, ratio):
    """What the earlier stages need, in units of the last; `ratio` is (e l)^2."""
    return (ratio ** (1 - num_stages) - 1) / (1 - ratio)


@pytest.mark.parametrize("num_stages", [2, 3, 5])
@pytest.mark.parametrize("ratio", [0.3, 0.9, 1.1, 1.96, 10.0])
def test_the_left_side_is_the_sum_of_the_earlier_stages(num_stages, ratio):
    stages = [ratio ** (k - num_stages) for k in range(1, num_stages + 1)]  # the last is 1
    assert left_side(num_stages, ratio) == pytest.approx(sum(stages[:-1]))


def test_the_example_of_the_paper_is_a_case_for_stages():
    # K = 3, e l = 1.4, m = 1.8: 1 / 1.96 + 1 / 3.8416 = .5102 + .2603 < .8
    assert left_side(3, 1.4**2) == pytest.approx(0.7705, abs=5e-5)
    assert left_side(3, 1.4**2) < 1.8 - 1


def transitions(depth, policy):
    """P under a policy, (S, S); node n has the children 2 n + 1 and 2 n + 2, leaves none."""
    num_inner, num_states = 2**depth - 1, 2 ** (depth + 1) - 1
    matrix = np.zeros((num_states, num_states))
    nodes = np.arange(num_inner)
    for action in (0, 1):
        matrix[nodes, 2 * nodes + 1 + action] = policy[:num_inner, action]
    return matrix


def visited(way):
    """The nodes that a way passes, the last is its goal."""
    nodes = [0]
    for action in way:
        nodes.append(2 * nodes[-1] + 1 + int(action))
    return nodes


def samples(way, policy):
    """The expected episodes until the first reward: 1 / V(root), V = (I - P)^-1 r."""
    matrix = transitions(len(way), policy)
    rewards = np.zeros(len(matrix))
    rewards[visited(way)[-1]] = 1.0
    return 1 / np.linalg.solve(np.eye(len(matrix)) - matrix, rewards)[0]


def learned(way, policy, keep):
    """The policy after the first reward."""
    policy = policy.copy()
    for node, action in zip(visited(way), way, strict=False):
        policy[node] = 1 - keep
        policy[node, int(action)] = keep
    return policy


def needed(ways, keep):
    """The samples of each stage, and of the last task directly."""
    uniform = np.full((2 ** (len(ways[-1]) + 1), 2), 0.5)
    policy, stages = uniform, []
    for way in ways:
        stages.append(samples(way, policy))
        policy = learned(way, policy, keep)
    return stages, samples(ways[-1], uniform)


@pytest.mark.parametrize(
    ("ways", "stages", "direct"),
    [
        (("00", "0010"), [4, 16 / 9 * 4], 16),  # V = (3/4)^2 (1/2)^2
        (("01", "00"), [4, 16 / 3], 4),  # V = 3/4 x 1/4: what was learned is in the way
        (("00", "0000", "000000"), [4, 64 / 9, 1024 / 81], 64),  # each 16/9 of the one before
    ],
)
def test_samples_worked_by_hand(ways, stages, direct):
    found, alone = needed(ways, keep=0.75)
    np.testing.assert_allclose([*found, alone], [*stages, direct])


def test_samples_agree_with_play():
    policy = learned("01", np.full((32, 2), 0.5), 0.75)
    draws = np.random.default_rng(0).random((40_000, 4))
    chances = [
        policy[node, int(action)] for node, action in zip(visited("0110"), "0110", strict=False)
    ]
    paid = (draws < chances).all(axis=1).mean()
    assert 1 / paid == pytest.approx(samples("0110", policy), rel=0.03)


@pytest.mark.parametrize("keep", [0.5, 0.55, 0.6, 0.75, 0.9, 0.99])
@pytest.mark.parametrize("gap", [1, 2])
@pytest.mark.parametrize("num_stages", [2, 3, 4])
def test_the_inequality_tells_when_stages_need_fewer_samples(num_stages, gap, keep):
    # every stage goes `gap` further: its samples are keep^-gap times those of the one before
    ways = ["0" * (gap * k) for k in range(1, num_stages + 1)]
    stages, direct = needed(ways, keep)
    ratio, m = keep**-gap, direct / stages[-1]
    np.testing.assert_allclose(np.divide(stages[1:], stages[:-1]), ratio)
    assert (sum(stages) < direct) == (left_side(num_stages, ratio) < m - 1)


@pytest.mark.parametrize("keep", [0.5, 0.6, 0.75, 0.9])
@pytest.mark.parametrize("parting", range(4))
def test_it_tells_the_same_where_the_ways_part(parting, keep):
    ways = ["000", "0" * parting + "1" + "0" * (3 - parting)]
    (first, last), direct = needed(ways, keep)
    assert (first + last < direct) == (left_side(2, last / first) < direct / last - 1)


def test_both_cases_occur():
    cheaper = {
        keep: sum(needed(["00", "0000", "000000"], keep)[0]) < 64 for keep in (0.5, 0.55, 0.6, 0.75)
    }
    # 4 (1 + r + r^2) < 64 with r = keep^-2 and r < 3.40512, keep > .5419
    assert cheaper == {0.5: False, 0.55: True, 0.6: True, 0.75: True}
