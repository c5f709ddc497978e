"""Any environment behind OpenEnv's server contract: `edgewise serve --openenv`.

A client resets with a problem's name, which gives the members of a group the same problem, with a level, a
seed, or both. Each session has an environment of its own. No curriculum is here: who draws is the client,
which sends names.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from openenv.core.env_server.http_server import create_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State

from edgewise.agents.integrations.export import chat
from edgewise.agents.integrations.refusals import tell_refusals
from edgewise.agents.integrations.versions import OPENENV
from edgewise.env import ReasoningEnv
from edgewise.errors import shown
from edgewise.names import read_name
from edgewise.scoring import pose

OPENENV.check(version("openenv"))
MAX_TEXT = 1_000_000  # characters of an answer


class Answer(Action):  # type: ignore[misc]
    """What the model says in one turn."""

    text: str


class Posed(Observation):  # type: ignore[misc]
    """What the model sees: of a problem its chat, later the answer of the environment."""

    messages: list[dict[str, str]] = []
    problem: str = ""  # its name
    level: int | None = None
    correct: bool | None = None  # None before the first answer, and where it could not be verified
    formatted: bool | None = None


class Session(Environment[Answer, Posed, State]):  # type: ignore[misc]
    """One client's episodes."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, base: ReasoningEnv) -> None:
        """Pose the problems of `base`, or those of its id that a client names."""
        super().__init__()
        self.base, self.env = base, base
        self.progress = State()
        self.rng = np.random.default_rng()

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        problem: str | None = None,
        level: int | None = None,
        **others: Any,
    ) -> Posed:
        """Pose a problem.

        Args:
            seed: Of the draw; the same seed and level give the same problem.
            episode_id: What the client calls the episode.
            problem: The name of a problem, in place of a draw.
            level: Of the draw; any by default.
            others: Refused.

        Raises:
            ValueError: If the name is none, or of another environment than the server's, or a number
                is none.
        """
        if others:
            raise ValueError(f"`reset` must have seed, problem or level, got {sorted(others)}")
        for key, number in (("seed", seed), ("level", level)):
            if number is not None and (type(number) is not int or number < 0):
                raise ValueError(f"`{key}` must be a whole number from 0, got {shown(number)}")
        name = self.draw(seed, level) if problem is None else problem
        if read_name(name).env != self.base.identity["env"]:
            raise ValueError(f"`problem` must be of {self.base.identity['env']}, got {name}")
        self.env = pose(name)
        self.progress = State(episode_id=episode_id, step_count=0)
        asked = self.env.problem
        return Posed(
            messages=chat(self.env.frame_of(asked), self.env.prompt(asked)),
            problem=name,
            level=read_name(name).level,
            done=False,
            reward=None,
        )

    def draw(self, seed: int | None, level: int | None) -> str:
        """Return the name of a problem."""
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        options = {} if level is None else {"level": level}
        _, info = self.base.pose(self.base.choose(self.rng, options))
        name: str = info["problem"]
        return name

    def step(self, action: Answer, timeout_s: float | None = None, **others: Any) -> Posed:
        """Verify an answer; the episode ends unless the task has more turns."""
        text, reward, terminated, truncated, info = self.env.step(action.text[:MAX_TEXT])
        done = terminated or truncated
        self.progress.step_count += 1
        messages = [] if done else [{"role": "user", "content": text}]
        return Posed(
            messages=messages,
            done=done,
            reward=float(reward) if info["verified"] else None,
            correct=info["correct"] if info["verified"] else None,
            formatted=info["formatted"],
        )

    @property
    def state(self) -> State:
        """Return the episode's id and how many answers it has."""
        return self.progress


def application(make: Callable[[], ReasoningEnv], max_sessions: int) -> Any:
    """Return the ASGI application of a server.

    Args:
        make: Makes the environment of a session.
        max_sessions: How many there may be at once.
    """
    app = create_app(
        lambda: Session(make()),
        Answer,
        Posed,
        env_name="edgewise",
        max_concurrent_envs=max_sessions,
    )
    tell_refusals(app)  # as the sessions of a web socket are told
    return app
