"""Give several attempts at a problem, and tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from edgewise.attempts import AttemptRules
from edgewise.env import unwrap
from edgewise.tools import Style, Tool, ToolRules, tool_rules


class Attempts(gym.Wrapper[str, str, str, str], RecordConstructorArgs):
    r"""After a wrong answer, tell its verdict and take another, up to `most` of them.

    It is ``gym.make(..., attempts={"most": most, ...})`` for an environment that exists, so names of problems
    have the rules, and `edgewise.pose` plays by them. The episode ends at the first right answer
    or at the last attempt, and only then has a reward; no answer is a wrong one. Attempts at a task with
    turns of its own each begin at its start.

    Example:
        >>> env = Attempts(gym.make("Countdown-v0"), 2, discount=0.5)
        >>> _ = env.reset(seed=0)
        >>> env.step(r"\boxed{1}")[:3]
        ('Wrong. Try again.', 0.0, False)
        >>> solution = env.unwrapped.task.solve(env.unwrapped.problem)
        >>> env.step(rf"\boxed{{{solution}}}")[1:3]  # .1 for the format, and half of what is beyond
        (0.55, True)
    """

    def __init__(
        self, env: gym.Env[str, str], most: int, discount: float = 1.0, explain: bool = False
    ) -> None:
        """Wrap `env`, which must be reset anew.

        Args:
            env: A `ReasoningEnv` or a mixture of them, under any wrappers.
            most: Attempts of an episode.
            discount: Multiplies the credit of a right answer for each attempt before it.
            explain: Whether the task's reason is told with the verdict, see `Task.explain`.

        Raises:
            ValueError: If a number is out of range, or there are attempts already.
        """
        RecordConstructorArgs.__init__(self, most=most, discount=discount, explain=explain)
        gym.Wrapper.__init__(self, env)
        unwrap(env).play_by(attempts=AttemptRules(most, discount, explain))


class Tools(gym.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Run the calls of tools in a completion, and return their results as the observation.

    It is ``gym.make(..., tools=[...])`` for an environment that exists, so names of problems have the tools, and
    `edgewise.pose` plays with them. The prompt says how they are called; a completion with a call and
    no answer after it ends no attempt and earns nothing; calls beyond the limit end the episode, which
    is then truncated.

    Example:
        >>> from edgewise.calculator import Calculator
        >>> env = Tools(gym.make("Countdown-v0"), [Calculator()])
        >>> _ = env.reset(seed=0)
        >>> env.step("It may be <calculator>3 * 4 - 5</calculator>")[:3]
        ('<result>7</result>', 0.0, False)
    """

    def __init__(
        self,
        env: gym.Env[str, str],
        tools: Sequence[Tool | str | Mapping[str, Any]],
        style: Style = "tags",
        max_calls: int = 8,
        max_calls_per_turn: int = 4,
    ) -> None:
        """Wrap `env`, which must be reset anew.

        Args:
            env: A `ReasoningEnv` or a mixture of them, under any wrappers.
            tools: Tools, or names or records of registered ones.
            style: "tags" takes calls as ``<calculator>1 + 1</calculator>``, "json" as the chat templates of
                Qwen and Hermes write them, ``<tool_call>{"name": ..., "arguments": {...}}</tool_call>``.
            max_calls: Of an episode.
            max_calls_per_turn: Of a completion; further ones are not run.

        Raises:
            ValueError: If there is no such tool, a number is out of range, or there are tools already.
        """
        rules = rules_of(tools, style, max_calls, max_calls_per_turn)
        RecordConstructorArgs.__init__(self, **rules.record())
        gym.Wrapper.__init__(self, env)
        unwrap(env).play_by(tools=rules)


def rules_of(
    tools: Sequence[Tool | str | Mapping[str, Any]],
    style: Style,
    max_calls: int,
    max_calls_per_turn: int,
) -> ToolRules:
    """Return the rules that the arguments of a wrapper give."""
    rules = tool_rules(
        {
            "tools": tools,
            "style": style,
            "max_calls": max_calls,
            "max_calls_per_turn": max_calls_per_turn,
        }
    )
    assert rules is not None
    return rules
