"""Any environment as one of skyrl-gym: `skyrl_gym.make("edgewise", extras=...)`.

Rows are those of `edgewise export --layout verl`, whose `reward_model.ground_truth` names the problem:

    import edgewise.agents.integrations.skyrl  # registers it
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import skyrl_gym
from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

from edgewise.agents.integrations.versions import SKYRL
from edgewise.errors import shown
from edgewise.scoring import pose

SKYRL.check(version("skyrl-gym"))
ID = "edgewise"
MAX_TURNS = 64  # after which an episode ends without a reward more


class EdgewiseEnv(BaseTextEnv):  # type: ignore[misc]
    """A named problem, in one turn or several."""

    def __init__(self, env_config: Any = None, extras: Mapping[str, Any] | None = None) -> None:
        """Pose the problem of a row.

        Args:
            env_config: Of SkyRL; `max_turns` bounds an episode.
            extras: The columns of the row.

        Raises:
            ValueError: If the row names no problem, or `max_turns` is no count.
        """
        super().__init__()
        row = extras if isinstance(extras, Mapping) else {}
        judged = row.get("reward_model")
        name = judged.get("ground_truth") if isinstance(judged, Mapping) else None
        if not isinstance(name, str):
            raise ValueError(
                "`extras` must have the name of a problem in reward_model.ground_truth, as rows of "
                f"`edgewise export --layout verl` have, got {name!r}"
            )
        self.name, self.env = name, pose(name)
        self.max_turns = (env_config or {}).get("max_turns", MAX_TURNS)
        if type(self.max_turns) is not int or self.max_turns < 1:
            raise ValueError(
                f"`max_turns` must be a whole number from 1, got {shown(self.max_turns)}"
            )

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """Verify an answer.

        Raises:
            RuntimeError: If the verifier fails: that is no reward of 0.
        """
        self.turns += 1
        text, reward, terminated, truncated, info = self.env.step(action)
        ended = terminated or truncated
        if not info["verified"]:
            raise RuntimeError(f"the answer to {self.name} could not be verified")
        return BaseTextEnvStepOutput(
            observations=[] if ended else [{"role": "user", "content": text}],
            reward=float(reward),
            done=ended or self.turns >= self.max_turns,
            metadata={name: info[name] for name in ("correct", "formatted", "answer")},
        )


skyrl_gym.register(id=ID, entry_point=EdgewiseEnv)
