"""The flags of a training run with TRL; imports no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from edgewise.agents.algorithms.config import BelowOne, Count, Natural, Positive
from edgewise.agents.training.flags import (
    AdapterFlags,
    BatchFlags,
    CurriculumFlags,
    KeywordFlags,
    RecipeFlags,
    TokenFlags,
)
from edgewise.agents.training.folder_kind import TRL, check_kind
from edgewise.agents.training.parts import CurriculumPart, Problems
from edgewise.agents.training.recipe_file import read_options

if TYPE_CHECKING:
    from edgewise.agents.algorithms.rollout import Envs


@dataclass(frozen=True)
class TRLConfig(AdapterFlags, TokenFlags, BatchFlags, CurriculumFlags, KeywordFlags, RecipeFlags):
    """Train a language model with TRL's trainer, on problems that a curriculum poses."""

    recipe: Path | None = None
    """Recipe, a JSON file of flags: recipes/trl/e2h-qwen2.5-1.5b.json; flags given beside it win."""
    model: Annotated[str, tyro.conf.arg(name="agent", aliases=["--model"])] = (
        "Qwen/Qwen2.5-1.5B-Instruct"
    )
    """Model to train: hf:PATH for a folder or hub id, or that alone."""
    algorithm: Literal["grpo", "rloo"] = "grpo"
    """Trainer of TRL."""
    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them, or MODULE:ID, one that a module of your own registers,
    also in the working folder; several with commas between."""
    num_steps: Count = 240
    """Training steps, one batch each; the rule learns from each batch."""
    num_problems: Count = 256
    """Problems in a batch, P; that of all processes."""
    num_minibatches: Count = 1
    """Updates of the weights for each batch."""
    per_device: Count = 16
    """Completions that a process passes through the model at once."""
    learning_rate: Positive = 1e-6
    """Learning rate of AdamW; at its highest."""
    max_tokens: Count = 1024
    """Longest completion in tokens."""
    lora_alpha: Positive = 64
    """What adapters are multiplied by, times their rank."""
    lora_dropout: BelowOne = 0.0
    """Share of what adapters read that is dropped where there is a gradient; 0.1 in E2H."""
    vllm: Literal["none", "colocate", "server"] = "none"
    """How TRL uses vLLM: not at all, on the same GPUs, or as a server, which then sample."""
    vllm_url: str = "http://127.0.0.1:8000"
    """Address of the server."""
    arguments: str = "{}"
    """Further arguments of the framework, JSON: fields of TRL's config,
    {"beta": 0.001, "lr_scheduler_type": "cosine"}."""
    device: Literal["cuda", "cpu"] = "cuda"
    """Where the model computes."""
    seed: Natural = 0
    """Seed of everything that is drawn: problems, arms and sampled tokens."""
    output: Path = Path("runs/trl")
    """Folder of the run."""
    resume: bool = False
    """Whether to continue the run in `output` from its last checkpoint."""

    def __post_init__(self) -> None:
        """Check the counts."""
        super().__post_init__()
        object.__setattr__(self, "model", self.model.removeprefix("hf:"))
        if self.allocation != "none":
            raise ValueError(
                "`allocation` must be none with TRL, which samples as many completions of each "
                f"problem, got {self.allocation!r}"
            )

    def check_folders(self) -> None:
        """Check that `output` has a run of TRL if it is to be resumed, and nothing else otherwise.

        Raises:
            ValueError: If it does not.
        """
        super().check_folders()
        if self.output.exists() and not self.output.is_dir():
            raise ValueError(f"`output` must be a folder, got {self.output}")
        check_kind(
            self.output, "output", TRL
        )  # else its records would go with those of a run begun again
        has_run = (self.output / "config.json").exists()
        if self.resume and is_first() and not has_run:
            raise ValueError(f"`output` must have a run to resume, got {self.output}")
        if not self.resume and has_run:
            raise ValueError(
                f"`output` must hold no run, got {self.output}; "
                "continue it with --resume, or name another"
            )

    @property
    def rule(self) -> CurriculumPart:
        """Return the rule that chooses what is posed."""
        return CurriculumPart(self.curriculum, self.num_steps, self.pool_size)

    def envs(self) -> Envs:
        """Return the environments, without a prompt format and a curriculum.

        Raises:
            ValueError: If there are none of that name, or they refuse their arguments.
        """
        ids = tuple(self.env.split(","))
        keywords = read_options(self.env_options, ids)
        problems = Problems(ids, self.preset, keywords=keywords)
        return problems.make(self.num_problems, self.group_size)


def is_first() -> bool:
    """Return whether this is rank 0, by the environment variables of torchrun and accelerate."""
    return os.environ.get("RANK", "0") == "0"
