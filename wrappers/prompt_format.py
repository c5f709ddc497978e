"""Put a frame around the prompt: the words, the chat and the beginning that a model is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, SupportsFloat

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from edgewise.env import unwrap
from edgewise.frame import Frame, Render


class PromptFormat(gym.Wrapper[str, str, str, str], RecordConstructorArgs):
    r"""Show the prompt in its frame, and score what the model was made to begin with.

    A completion goes on where the frame ends, so the frame's `opening` is put before it again:
    the strict gate of E2H asks for a <think> that the model never had to write.

    Example:
        >>> env = PromptFormat(gym.make("Countdown-v0", preset="e2h"))
        >>> prompt, _ = env.reset(seed=0)
        >>> prompt.endswith("<|im_start|>assistant\nLet me solve this step by step.\n<think>")
        True
        >>> env.step("I guess.</think> <answer>1</answer>")[4]["formatted"]
        True
    """

    def __init__(
        self,
        env: gym.Env[str, str],
        frame: Frame | Mapping[str, Any] | None = None,
        render: Render | None = None,
    ) -> None:
        """Wrap `env`.

        Args:
            env: A `ReasoningEnv`, under any wrappers.
            frame: The frame, or its fields; that of the problem's preset by default.
            render: Makes text of the messages of a chat; ChatML by default.
        """
        self.frame = Frame(**frame) if isinstance(frame, Mapping) else frame
        fields = None if self.frame is None else asdict(self.frame)
        RecordConstructorArgs.__init__(self, frame=fields, render=render)
        gym.Wrapper.__init__(self, env)
        self._render = render
        self._opening = ""  # of the next action
        self._shown: Frame = Frame()  # that of the problem

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Pose a problem, and return its prompt in the frame."""
        prompt, info = super().reset(seed=seed, options=options)
        base = unwrap(self)
        frame = base.frame_of(base.problem) if self.frame is None else self.frame
        self._opening, self._shown = frame.opening, frame
        return frame.text(prompt, self._render), info

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Score the opening and `action`; in a chat, what is observed then is a message of the user.

        What goes on with the same text, as the result of a tool does, is left as it is.
        """
        opening, self._opening = self._opening, ""
        observation, reward, terminated, truncated, info = super().step(opening + action)
        if not (terminated or truncated or info["continues"]):
            observation = self._shown.further(observation, self._render)
        return observation, reward, terminated, truncated, info
