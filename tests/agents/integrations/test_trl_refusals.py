"""What TRL's trainers cannot do is refused before they are made; needs no TRL."""

from types import SimpleNamespace

import gymnasium as gym
import pytest

pytest.importorskip("torch")

from edgewise.agents.integrations.trl_config import TRLConfig
from edgewise.agents.integrations.trl_run import refuse_misfit
from edgewise.wrappers import MTGRPO, SEC, Frontier, vector
from edgewise.wrappers.allocation import Allotment, Knapsack


def test_a_rule_that_learns_after_the_update_is_refused():
    args = SimpleNamespace(max_steps=4, generation_batch_size=4, num_generations=2)
    envs = gym.make_vec("Countdown-v0", num_envs=4, group_size=2)
    for rule in (SEC(), Frontier()):
        refuse_misfit(vector.Curriculum(envs, rule), args)
    for rule in (MTGRPO(), Frontier(gain="update")):
        with pytest.raises(ValueError, match="`curriculum` must have a rule that learns before"):
            refuse_misfit(vector.Curriculum(envs, rule), args)


def test_groups_of_differing_size_are_refused():
    args = SimpleNamespace(max_steps=4, generation_batch_size=4, num_generations=2)
    envs = vector.Curriculum(gym.make_vec("Countdown-v0", num_envs=4, group_size=2), SEC())
    envs.allocate(Allotment(Knapsack(most=2), 2))
    with pytest.raises(ValueError, match="`curriculum` must be without an allocation: TRL"):
        refuse_misfit(envs, args)
    with pytest.raises(ValueError, match=r"`allocation` must be none with TRL, .* got 'vip'"):
        TRLConfig(allocation="vip")
