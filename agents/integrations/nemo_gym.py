"""Any environment as a resources server of NeMo-Gym, for rows of `edgewise export --layout nemo-gym`.

It takes both of NeMo-Gym's contracts: `/reset` and `/step` of its gymnasium_agent, for episodes of one turn
or several, and `/verify` of its simple_agent, for one turn. A request names its problem in `problem`.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from gymnasium.error import ResetNeeded
from nemo_gym.base_resources_server import (
    BaseResourcesServerConfig,
    BaseVerifyRequest,
    BaseVerifyResponse,
)
from nemo_gym.openai_utils import NeMoGymResponse
from resources_servers.gymnasium import GymnasiumServer, extract_text

from edgewise.agents.integrations.export import chat_of
from edgewise.agents.integrations.named import score
from edgewise.agents.integrations.refusals import tell_refusals
from edgewise.agents.integrations.versions import NEMO_GYM
from edgewise.judging import takes_turns
from edgewise.scoring import pose

NEMO_GYM.check(version("nemo-gym"))
MAX_TEXT = 1_000_000  # characters of an answer
Seen = tuple[str | None, float, bool, bool, dict[str, Any]]


class Answered(BaseVerifyRequest):  # type: ignore[misc]
    """What a model answered to a problem."""

    problem: str  # its name


class Verified(BaseVerifyResponse):  # type: ignore[misc]
    """What the answer earns."""

    problem: str
    correct: bool
    formatted: bool


class ProblemServer(GymnasiumServer):  # type: ignore[misc]
    """Named problems; each session of a client has an episode of its own."""

    config: BaseResourcesServerConfig

    def setup_webserver(self) -> FastAPI:
        """Return the application with the paths of both contracts."""
        app = super().setup_webserver()
        app.post("/seed_session")(self.seed_session)
        app.post("/verify")(self.verify)
        tell_refusals(app)
        return app

    async def reset(
        self, metadata: dict[str, Any], session_id: str | None = None
    ) -> tuple[str | None, dict[str, Any]]:
        """Begin an episode of the problem that `metadata`, the row, names.

        Its prompt stands in the row, so there is no observation; `info` has it for who has the name alone.

        Raises:
            ValueError: If the row names no problem.
        """
        name = metadata.get("problem")
        if not isinstance(name, str):
            raise ValueError(
                "a row must have the name of a problem in `problem`, as rows of "
                f"`edgewise export --layout nemo-gym` have, got {name!r}"
            )
        env = pose(name)
        self.session_state[session_id] = env
        return None, {"problem": name, "messages": chat_of(env, env.problem)}

    async def step(
        self, action: NeMoGymResponse, metadata: dict[str, Any], session_id: str | None = None
    ) -> Seen:
        """Verify an answer; the episode ends unless the task has more turns.

        Raises:
            ResetNeeded: If the session has no episode.
            RuntimeError: If the verifier fails: that is no reward of 0.
        """
        env = self.session_state.get(session_id)
        if env is None:
            raise ResetNeeded("a session must be reset before its first answer")
        text, reward, terminated, truncated, info = env.step(extract_text(action)[:MAX_TEXT])
        if not info["verified"]:
            raise RuntimeError(f"an answer to {metadata.get('problem')} could not be verified")
        verdict = {name: bool(info[name]) for name in ("correct", "formatted")}
        told = {"problem": metadata.get("problem"), **verdict}  # NeMo-Gym drops it from the row
        ended = terminated or truncated
        return None if ended else text, float(reward), terminated, truncated, told

    async def verify(self, body: Answered) -> Verified:
        """Verify the only answer to a problem of one turn.

        Raises:
            ValueError: If the problem has several turns.
            RuntimeError: If the verifier fails: that is no reward of 0.
        """
        env = pose(body.problem)
        if takes_turns(env, env.problem):
            raise ValueError("`problem` must have one turn for /verify: use the gymnasium_agent")
        [outcome] = score([body.problem], [extract_text(body.response)[:MAX_TEXT]], begun=False)
        if not outcome.verified:
            raise RuntimeError(f"an answer to {body.problem} could not be verified")
        return Verified(
            **body.model_dump(),
            reward=float(outcome.reward),
            correct=bool(outcome.correct),
            formatted=outcome.formatted,
        )
