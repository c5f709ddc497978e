"""The flags of commands that make models; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgewise.agents.algorithms.config import Workers
from edgewise.agents.policies.model_card import is_own, model_path
from edgewise.agents.policies.options import Precision
from edgewise.agents.training.flags import EvaluationPlan, Flags, ThreadFlags
from edgewise.files import read_text


@dataclass(frozen=True, kw_only=True)
class PretrainCommand(ThreadFlags):
    """Train a small model from scratch on the worked traces of environments, and measure it."""

    recipe: Path
    """Recipe, a JSON file: of sizes, sources and seed, such as recipes/countdown-0.json."""
    output: Path
    """Folder of the model, which must not exist."""
    evaluation: EvaluationPlan = field(default_factory=EvaluationPlan)
    """What is asked of each level for the model card."""
    threads: Workers = 1
    """Threads of torch; the same number gives the same model."""

    def check_folders(self) -> None:
        """Check that the recipe is there, and that the output is free."""
        super().check_folders()
        read_text(self.recipe)
        check_new(self.output)


@dataclass(frozen=True)
class UntieCommand(Flags):
    """Write a model whose head is not tied to its embeddings, so that vLLM can reload its weights."""

    output: Path
    """Folder of the model, which must not exist."""
    agent: str = "seedling"
    """Model to write: seedling, seedling:NAME, or hf:PATH for a folder or hub id."""
    dtype: Precision = "float32"
    """Precision of the weights."""

    def check_folders(self) -> None:
        """Check that the output is free."""
        super().check_folders()
        check_new(self.output)

    def check_names(self) -> None:
        """Check the model."""
        super().check_names()
        if not is_own(self.agent):
            model_path(self.agent)


def check_new(output: Path) -> None:
    """Raise ValueError if there is something at `output`."""
    if output.exists():
        raise ValueError(f"`output` must not exist, got {output}; name another")
