"""verl's agent loop over an episode of ours, in one turn or several."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import (
    AgentLoopBase,
    AgentLoopMetrics,
    AgentLoopOutput,
    register,
)

from edgewise.agents.integrations.episode import Episode, seed_of
from edgewise.agents.policies.chat import ChatOptions, read_chat_options

NAME = "edgewise"  # of the loop, as verl's config calls it
UNSEEDED = ("sglang",)  # engines that take no seed for each request


@register(NAME)
class EpisodeLoop(AgentLoopBase):  # type: ignore[misc]
    """Poses a problem by its name, samples answers until its end, and verifies them."""

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        """Return an episode: what was sampled has mask 1, what was observed 0.

        Raises:
            RuntimeError: If an answer could not be verified; verl then goes on without it.
        """
        episode = Episode(row["reward_model"]["ground_truth"], self.tokenizer, self.chat())
        room, turn = self.rollout_config.response_length, 0
        extra: dict[str, Any] = {}
        while not episode.done and len(episode.tokens) < room:
            sampled = await self.server_manager.generate(
                request_id=uuid4().hex,
                prompt_ids=episode.prompt + episode.tokens,
                sampling_params={
                    **sampling_params,
                    **self.stops(episode),
                    **self.seed(row, turn),
                    "max_tokens": room - len(episode.tokens),
                },
            )
            extra, turn = {**extra, **sampled.extra_fields}, turn + 1
            logprobs = sampled.log_probs or []
            await asyncio.to_thread(episode.answer, sampled.token_ids, logprobs)
        await asyncio.to_thread(episode.stop)
        if not episode.verified:
            raise RuntimeError("the answer could not be verified")
        return self.output(episode, room, extra, turn)

    def output(
        self, episode: Episode, room: int, extra: dict[str, Any], turns: int
    ) -> AgentLoopOutput:
        """Return an episode as verl takes it, cut where it is longer than `room`."""
        told = {
            "correct": float(episode.correct),
            "formatted": float(episode.formatted),
            "length": episode.length,
        }
        return AgentLoopOutput(
            prompt_ids=episode.prompt,
            response_ids=episode.tokens[:room],
            response_mask=episode.mask[:room],
            response_logprobs=episode.logprobs[:room] or None,
            reward_score=episode.reward,
            num_turns=2 * turns,
            metrics=AgentLoopMetrics(),
            extra_fields={**extra, "reward_extra_info": {**told, "score": episode.reward}},
        )

    def chat(self) -> ChatOptions:
        """Return the variables of the chat template."""
        own = self.data_config.get("edgewise", {})
        return read_chat_options(own.get("chat_date"), own.get("chat_template_kwargs", "{}"))

    def stops(self, episode: Episode) -> dict[str, Any]:
        """Return where an answer ends, which it keeps."""
        if not episode.frame.stop:
            return {}
        keep = (
            "no_stop_trim" if self.rollout_config.name == "sglang" else "include_stop_str_in_output"
        )
        return {"stop": list(episode.frame.stop), keep: True}

    def seed(self, row: dict[str, Any], turn: int) -> dict[str, int]:
        """Return the seed of a turn: the same run samples the same, whichever server is asked."""
        if self.rollout_config.name in UNSEEDED:
            return {}
        own = self.data_config.get("edgewise", {})
        batch, group, member = (
            int(row[name]) for name in ("edgewise_batch", "edgewise_group", "session_id")
        )
        return {"seed": seed_of(int(own.get("seed", 0)), batch, group, member, turn)}
