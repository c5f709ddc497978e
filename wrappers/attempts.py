"""Give several attempts at a problem."""

from __future__ import annotations

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from edgewise.attempts import AttemptRules
from edgewise.env import unwrap


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
