import numpy as np
import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.simulation.env import SimulatedVectorEnv
from edgewise.benchmarks.simulation.learner import SimulatedLearner, start, train
from edgewise.benchmarks.simulation.worlds import NUM_OOD, WORLDS
from edgewise.wrappers import make_rule, vector


def gained(world, arm, num_arms=6, steps=15):
    """What practice of one arm does to the skill of every arm."""
    made = WORLDS[world](num_arms, 0)
    made.skills[:num_arms] = 0.0  # so that every arm can be practised
    envs = SimulatedVectorEnv(128, group_size=8, num_arms=num_arms)
    envs = vector.Curriculum(envs, make_rule(f"subset:arms=[{arm}]", steps))
    envs.reset(seed=0)
    learner = SimulatedLearner(made)
    list(train(envs, learner, steps * 128, start(0)))
    return learner.skills - made.skills


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("num_arms", [2, 9])
def test_a_world_is_a_ladder_of_a_seed(name, num_arms):
    worlds = [WORLDS[name](num_arms, seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(worlds[0].skills, worlds[1].skills)
    assert (worlds[0].skills != worlds[2].skills).all()
    accuracy = SimulatedLearner(worlds[0]).accuracy()
    assert accuracy.shape == (num_arms + NUM_OOD,) and worlds[0].num_arms == num_arms
    assert 0.6 < accuracy[0] < 0.95 and accuracy[num_arms - 1 :].max() < 0.06


def test_without_transfer_only_the_arm_practised_is_learned():
    assert (gained("independent", 2) > 0).tolist() == [False, False, True] + [False] * 5


def test_neighbours_gain_half_as_much_at_each_step_in_both_directions():
    found = gained("neighbours", 2)
    np.testing.assert_allclose(found / found[2], [0.25, 0.5, 1, 0.5, 0.25, 0.125, 1 / 16, 1 / 32])


def test_prerequisites_help_harder_arms_only():
    found = gained("prerequisites", 2)
    np.testing.assert_allclose(found / found[2], [0, 0, 1, *(0.7 ** np.arange(1, 6))])


def test_forgetting_takes_from_what_neighbours_gain():
    assert (gained("forgetting", 2) < gained("neighbours", 2)).all()


def test_locked_arms_are_the_hardest_third_and_open_one_after_the_other():
    world = WORLDS["locked"](9, 0)
    assert world.locked.tolist() == [False] * 6 + [True] * 5
    learner = SimulatedLearner(world)
    assert (learner.accuracy()[6:] == 0).all() and (learner.accuracy()[:6] > 0).all()
    learner.skills[5] = 0.1
    assert learner.unlocked().tolist() == [True] * 7 + [False] * 4
    learner.skills[7:] = 3.0  # behind an arm that is not learned
    assert learner.unlocked().tolist() == [True] * 7 + [False] * 4
