"""Put a frame around the prompt of each group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from edgewise.frame import Frame, Render
from edgewise.vector_env import Actions, Batch, Texts, TextWrapper, unwrap_vector


class PromptFormat(TextWrapper):
    """Show each prompt in its frame, and score what the model was made to begin with.

    A completion goes on where the frame ends, so the frame's `opening` is put before it again.

    Example:
        >>> base = gym.make_vec("Countdown-v0", num_envs=1)
        >>> envs = PromptFormat(base, Frame(before="Question: ", after=" Answer:"))
        >>> prompts, _ = envs.reset(seed=0)
        >>> prompts[0][:16], prompts[0][-8:]
        ('Question: Using ', ' Answer:')
    """

    def __init__(
        self,
        env: gym.vector.VectorEnv[Texts, Actions, NDArray[Any]],
        frame: Frame | Mapping[str, Any] | None = None,
        render: Render | None = None,
    ) -> None:
        """Wrap `env`.

        Args:
            env: A `ReasoningVectorEnv`, under any wrappers.
            frame: The frame, or its fields; that of each problem's preset by default.
            render: Makes text of the messages of a chat; ChatML by default.
        """
        super().__init__(env)
        self.base = unwrap_vector(env)
        self.frame = Frame(**frame) if isinstance(frame, Mapping) else frame
        self._render = render
        self._texts = [""] * self.num_envs  # the last observations
        self._openings = [""] * self.num_envs  # of the next actions
        self._frames = [Frame()] * self.num_envs  # those of the problems

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Texts, dict[str, Any]]:
        """Pose the problems, and return each prompt in its frame."""
        prompts, infos = super().reset(seed=seed, options=options)
        if "_problem" not in infos:  # an empty "reset_mask", while other ranks reset
            return tuple(self._texts), infos
        size = self.base.group_size
        for group in np.flatnonzero(infos["_problem"][::size]).tolist():
            slots = slice(group * size, (group + 1) * size)
            frame = self.frame
            if frame is None:
                frame = self.base.env.frame_of(self.base.problems[group])
            self._texts[slots] = [frame.text(prompts[group * size], self._render)] * size
            self._openings[slots] = [frame.opening] * size
            self._frames[slots] = [frame] * size
        return tuple(self._texts), infos

    def step(self, actions: Actions) -> Batch:
        """Score the openings and `actions`; in a chat, what is observed then is a message of the user."""
        if len(actions) != self.num_envs:
            return super().step(actions)  # the environment says what is wrong
        opened = [
            None if action is None else opening + action
            for opening, action in zip(self._openings, actions, strict=True)
        ]
        observations, rewards, terminations, truncations, infos = super().step(opened)
        left_as_is = terminations | truncations | infos["continues"]
        for i, action in enumerate(actions):
            if action is not None:
                further = observations[i]
                if not left_as_is[i]:
                    further = self._frames[i].further(further, self._render)
                self._openings[i], self._texts[i] = "", further
        return tuple(self._texts), rewards, terminations, truncations, infos

    def opening(self, i: int) -> str:
        """Return the text put before the next action of environment `i`."""
        return self._openings[i]


def opening_of(envs: gym.vector.VectorEnv[Any, Any, Any], i: int) -> str:
    """Return the text that all formats around `envs` put before the next action of environment `i`."""
    layer, opening = envs, ""
    while isinstance(layer, gym.vector.VectorWrapper):
        if isinstance(layer, PromptFormat):
            opening = layer.opening(i) + opening
        layer = layer.env
    return opening
