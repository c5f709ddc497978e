"""Several tasks as one environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from edgewise.attempts import AttemptRules
from edgewise.env import ReasoningEnv, unwrap
from edgewise.frame import Frame
from edgewise.outcome import History, Outcome
from edgewise.row_order import RowOrder
from edgewise.text import UnicodeText
from edgewise.tools import ToolRules
from edgewise.vector_env import ReasoningVectorEnv


class Mixture(ReasoningEnv):
    """Pose problems of several environments; each has its arms, and `env`, its place, in options.

    Problems keep the names that their own environments give them.

    Example:
        >>> env = gym.make("Mixture-v0", envs=[{"id": "Countdown-v0"}, {"id": "Zebra-v0"}])
        >>> sorted({arm["env"] for arm in env.unwrapped.arms})
        [0, 1]
    """

    def __init__(
        self,
        *,
        envs: Sequence[str | Mapping[str, Any]],
        split: str = "train",
        render_mode: str | None = None,
    ) -> None:
        """Make `envs`, ids or keywords of `gym.make` with the id.

        They are of `split` unless their keywords name another, and drawn as `render_mode` says.

        Raises:
            ValueError: If `envs` is no list of at least one environment, or a member is refused.
        """
        if isinstance(envs, str) or not envs:
            raise ValueError(f"`envs` must be a list of at least one environment, got {envs!r}")
        specs = [{"id": spec} if isinstance(spec, str) else dict(spec) for spec in envs]
        self.members = [unwrap(gym.make(**{"split": split, **spec})) for spec in specs]
        self.split = split
        self.arms = [{"env": i, **arm} for i, env in enumerate(self.members) for arm in env.arms]
        self.render_mode = render_mode
        self.observation_space = UnicodeText()
        self.action_space = UnicodeText()
        self.problem: Any = None  # (place, problem)
        self.order = RowOrder()  # of all members
        for place, env in enumerate(self.members):
            env.order, env.place = self.order, place
        self._history, self._done = (), True

    def choose(
        self, rng: np.random.Generator, options: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return `options` with what they leave open drawn.

        Raises:
            ValueError: If `options` name no member, or something that the member does not know.
        """
        options = dict(options or {})
        place = options.pop("env", None)
        if place is None:
            place = int(rng.random() * len(self.members))
        if place not in range(len(self.members)):
            raise ValueError(f"`env` must be in [0, {len(self.members)}), got {place!r}")
        return {"env": int(place), **self.members[place].choose(rng, options)}

    def play_by(self, attempts: AttemptRules | None = None, tools: ToolRules | None = None) -> None:
        """Let all members play by these rules too: `attempts`, `tools`; None for none."""
        for member in self.members:
            member.play_by(attempts, tools)
        self._done = True

    def pose(self, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the member's place with its problem, and the name that the member gives it."""
        rest = dict(options)
        place = rest.pop("env")
        problem, name = self.members[place].pose(rest)
        return (place, problem), {"env": place, **name}

    def prompt(self, problem: Any) -> str:
        """State `problem` as its member does."""
        place, own = problem
        return self.members[int(place)].prompt(own)

    def frame_of(self, problem: Any) -> Frame:
        """Return the frame of its member."""
        place, own = problem
        return self.members[int(place)].frame_of(own)

    def demonstrate(self, problem: Any, answers: Sequence[str] = ()) -> str:
        """Work the next turn of `problem` out as its member does."""
        place, own = problem
        return self.members[int(place)].demonstrate(own, answers)

    def score(
        self, problems: Sequence[Any], histories: Sequence[History], actions: Sequence[str]
    ) -> list[Outcome]:
        """Let each member score its problems, all at once, after the outcomes so far, `histories`."""
        outcomes: dict[int, Outcome] = {}
        for place, member in enumerate(self.members):
            own = [i for i, problem in enumerate(problems) if problem[0] == place]
            scored = member.score(
                [problems[i][1] for i in own],
                [histories[i] for i in own],
                [actions[i] for i in own],
            )
            outcomes.update(zip(own, scored, strict=True))
        return [outcomes[i] for i in range(len(problems))]

    @property
    def anticipates(self) -> bool:
        """Return whether any member does."""
        return any(member.anticipates for member in self.members)

    def anticipate(self, problem: Any, action: str) -> None:
        """Let the member of `problem` anticipate."""
        place, own = problem
        self.members[int(place)].anticipate(own, action)


class VectorMixture(ReasoningVectorEnv):
    """A mixture, posed in groups."""

    single_env: ClassVar[type[ReasoningEnv]] = Mixture
