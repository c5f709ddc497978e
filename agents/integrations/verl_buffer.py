"""verl's buffer, which tells the rule of a batch as soon as all its completions are there."""

from __future__ import annotations

from typing import Any

from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from edgewise.agents.integrations.verl_columns import completions_of, ordered
from edgewise.agents.integrations.verl_data import training_draws

HOOK = "trainer.v1.sampler.custom_sampler"  # where verl's documentation has a place for it


class CurriculumBuffer(ReplayBuffer):  # type: ignore[misc]
    """The buffer of verl's synchronous trainer, in the order in which the batch was drawn.

    The rule hears of the |A| of the rewards, as `group_advantages` computes them: those of verl's
    GRPO. Where `feedback` is "trainer", it hears nothing here.
    """

    def __init__(self, *args: Any, sampler_kwargs: Any = None, **kwargs: Any) -> None:
        """Take what verl's buffer takes; `sampler_kwargs` may have "poll_interval", in seconds.

        Raises:
            ValueError: If the trainer is asynchronous.
        """
        own = dict(sampler_kwargs or {})
        if kwargs.get("trainer_mode", "sync") != "sync":
            raise ValueError(
                "`trainer.v1.trainer_mode` must be sync under a curriculum, got "
                f"{kwargs['trainer_mode']}: others draw before the rule has learned"
            )
        poll = {"poll_interval": float(own["poll_interval"])} if "poll_interval" in own else {}
        super().__init__(*args, sampler_kwargs=own, **poll, **kwargs)

    def sample(
        self, global_steps: int, partition_id: str, batch_size: int
    ) -> tuple[KVBatchMeta, dict[str, Any]]:
        """Return the completions of a batch, after the rule has learned from them."""
        batch, metrics = super().sample(global_steps, partition_id, batch_size)
        if partition_id != "train":
            return batch, metrics
        batch.reorder(ordered(batch))
        draws = training_draws()
        if draws.config.feedback == "buffer":
            completions = completions_of(batch, draws.tokenizer, advantages=False)
            metrics = {**metrics, **draws.teach(completions, global_steps)}
        return batch, metrics
