"""What answers in place of a model: right or wrong by a coin of the prompt and the seed."""

import re

import gymnasium as gym
import numpy as np

from edgewise.envs.countdown.task import Problem

COUNTDOWN = re.compile(r"\[([\d, ]+)\] -> (\d+)")


def answer_of(text, seed):
    """The answer to what a model was shown: a prompt of Countdown, or of Blocksworld in turns.

    In turns, half of the answers are none, and end the episode; the others are an action.
    """
    coin = np.random.default_rng([seed, *text.encode()]).random()
    found = COUNTDOWN.search(text)
    if found is None:
        block = re.search(r"[A-Z]", text)[0]
        begun = r"\boxed{" in text.rpartition("one by one: ")[2]
        return rf"\boxed{{{block}^}}" if begun or coin < 0.5 else "no idea"
    numbers = tuple(map(int, found[1].split(",")))
    env = gym.make("Countdown-v0", preset="seedling").unwrapped
    right = env.demonstrate(Problem(numbers, int(found[2])))
    return right if coin < 1.4 - 0.3 * len(numbers) else r"\boxed{1}"
