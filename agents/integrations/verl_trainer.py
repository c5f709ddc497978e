"""verl's trainer, which tells the rule of its own advantages."""

from __future__ import annotations

from typing import Any

from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

from edgewise.agents.integrations.verl_columns import completions_of
from edgewise.agents.integrations.verl_data import training_draws


class CurriculumTrainer(PPOTrainerSync):  # type: ignore[misc]
    """The synchronous trainer: the rule hears of |A| before the update, and before a checkpoint."""

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        """Compute the advantages, and let the rule learn from their sizes."""
        batch = super()._compute_advantage(batch, metrics)
        draws = training_draws()
        completions = completions_of(batch, draws.tokenizer, advantages=True)
        metrics.update(draws.teach(completions, self.global_steps))
        return batch
