"""A mixture chooses among its members, and refuses what is none."""

import pickle

import gymnasium as gym
import numpy as np
import pytest

import edgewise

MEMBERS = ["Countdown-v0", {"id": "Countdown-v0", "preset": "e2h", "levels": (1, 2)}]


def make():
    return gym.make("Mixture-v0", envs=MEMBERS)


@pytest.mark.parametrize("envs", [[], "Countdown-v0"])
def test_there_must_be_members(envs):
    with pytest.raises(ValueError, match="`envs` must be a list of at least one"):
        gym.make("Mixture-v0", envs=envs)


@pytest.mark.parametrize("place", [2, -1, "0"])
def test_a_member_must_exist(place):
    with pytest.raises(ValueError, match=r"`env` must be in \[0, 2\), got"):
        make().reset(options={"env": place})


@pytest.mark.parametrize("options", [None, {"env": None, "level": None}, {"env": np.int64(1)}])
def test_an_open_member_is_drawn(options):
    env = make()
    prompt, info = env.reset(seed=0, options=options)
    assert edgewise.pose(info["problem"]).render() == prompt
    options = {key: info[key] for key in ("env", "level", "problem_seed")}
    assert env.reset(options=options) == (prompt, info)


def test_all_members_are_drawn_and_the_mixture_pickles():
    env = make()
    places = [env.reset(seed=0)[1]["env"]] + [env.reset()[1]["env"] for _ in range(200)]
    assert 60 < sum(places) < 140
    again = pickle.loads(pickle.dumps(env))
    assert [again.reset() for _ in range(5)] == [env.reset() for _ in range(5)]
