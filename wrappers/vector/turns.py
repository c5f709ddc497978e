"""Give several attempts at each problem, and tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
from numpy.typing import NDArray

from edgewise.attempts import AttemptRules
from edgewise.tools import Style, Tool
from edgewise.vector_env import Actions, Texts, TextWrapper, unwrap_vector
from edgewise.wrappers.turns import rules_of


class Attempts(TextWrapper):
    r"""After a wrong answer, tell its verdict and take another, up to `most` of them.

    Environments of a group may end at different turns: one that is done takes any action and earns 0.

    Example:
        >>> envs = Attempts(gym.make_vec("Countdown-v0", num_envs=2, group_size=2), 2)
        >>> _ = envs.reset(seed=0)
        >>> solution = envs.unwrapped.env.task.solve(envs.unwrapped.problems[0])
        >>> texts, rewards, terminated, *_ = envs.step([r"\boxed{1}", rf"\boxed{{{solution}}}"])
        >>> texts, rewards.tolist(), terminated.tolist()
        (('Wrong. Try again.', ''), [0.0, 1.0], [False, True])
    """

    def __init__(
        self,
        env: gym.vector.VectorEnv[Texts, Actions, NDArray[Any]],
        most: int,
        discount: float = 1.0,
        explain: bool = False,
    ) -> None:
        """Wrap `env`, which must be reset anew; `most`, `discount` and `explain` as of the single form.

        Raises:
            ValueError: If a number is out of range, or there are attempts already.
        """
        super().__init__(env)
        unwrap_vector(env).play_by(attempts=AttemptRules(most, discount, explain))


class Tools(TextWrapper):
    """Run the calls of tools in completions, and return their results as observations.

    Example:
        >>> from edgewise.calculator import Calculator
        >>> envs = Tools(gym.make_vec("Countdown-v0", num_envs=2, group_size=2), [Calculator()])
        >>> _ = envs.reset(seed=0)
        >>> envs.step(["<calculator>1/2 + 1</calculator>", "no answer"])[0]
        ('<result>3/2</result>', '')
    """

    def __init__(
        self,
        env: gym.vector.VectorEnv[Texts, Actions, NDArray[Any]],
        tools: Sequence[Tool | str | Mapping[str, Any]],
        style: Style = "tags",
        max_calls: int = 8,
        max_calls_per_turn: int = 4,
    ) -> None:
        """Wrap `env`, which must be reset anew.

        `tools`, `style`, `max_calls` and `max_calls_per_turn` are as of the single form.


        Raises:
            ValueError: If there is no such tool, a number is out of range, or there are tools already.
        """
        super().__init__(env)
        rules = rules_of(tools, style, max_calls, max_calls_per_turn)
        unwrap_vector(env).play_by(tools=rules)
