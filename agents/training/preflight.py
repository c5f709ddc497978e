"""Take a few training steps to measure memory and speed, and warn of levels that cannot learn."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from edgewise.agents.training.config import TrainConfig
from edgewise.agents.training.flags import EvaluationPlan
from edgewise.agents.training.run import begin
from edgewise.agents.training.scores import LevelScore

NUM_STEPS = 5
PLAN = EvaluationPlan(num_problems=8, num_samples=8, k=8, num_pass_k=8, split="validation")
NEVER_LESS = 0.5  # answers found, or completions that end, without a warning


@dataclass(frozen=True)
class Preflight:
    """Measurements of a few training steps."""

    scores: list[LevelScore]  # of each level, before training
    step_seconds: float  # of the fastest step
    tokens_per_second: float  # sampled and learned from, in the fastest step
    equal_groups: float  # share of the groups, over all steps, whose rewards were all equal
    memory: int  # most that was in use at once, in bytes
    notes: list[str]  # of problems that are left out


def preflight(
    config: TrainConfig, progress: Callable[[LevelScore], None] = lambda score: None
) -> Preflight:
    """Score a few problems of each level and take five steps in a temporary folder.

    Raises:
        ValueError: If any part of `config` is refused.
        FloatingPointError: If a reward, the loss or its gradient is not finite.
        MemoryError: If the memory runs out.
    """
    with TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        short = replace(config, num_steps=NUM_STEPS, eval_every=None, patience=None)
        training = begin(replace(short, evaluation=PLAN, output=output))
        found: list[LevelScore] = []

        def keep(score: LevelScore) -> None:
            found.append(score)
            progress(score)

        training.score("before.json", keep)
        steps = list(training.steps())
    fastest = min(steps, key=lambda metrics: metrics["time/step_seconds"])
    return Preflight(
        scores=found,
        step_seconds=fastest["time/step_seconds"],
        tokens_per_second=fastest["time/tokens_per_second"],
        equal_groups=sum(metrics["frac_reward_zero_std"] for metrics in steps) / len(steps),
        memory=peak_memory(training.setup.model.device),
        notes=training.notes,
    )


def peak_memory(device: str) -> int:
    """Return the peak memory in bytes: of the GPU, or of this process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # elsewhere it is in KiB


def warnings_of(scores: Sequence[LevelScore], levels: Sequence[int] | None = None) -> list[str]:
    """Return one warning for each problem with a training level.

    Args:
        scores: Of each level.
        levels: Those that are trained on; by default all that are not kept out of training.
    """
    found = []
    for score in scores:
        if score.ood if levels is None else score.level not in levels:
            continue
        asked = score.num_problems * score.num_samples
        right = round(score.pass_at_1 * asked)
        place = f"{score.env} level {score.level}"
        if right in (0, asked):
            found.append(f"{place}: {right} of {asked} right, no gradient there")
        if score.format_rate < NEVER_LESS:
            found.append(f"{place}: an answer is found in {score.format_rate:.0%} of completions")
        if 1 - score.truncated < NEVER_LESS:
            found.append(
                f"{place}: {score.truncated:.0%} of completions reach the token limit, "
                "a larger `max_tokens` may help"
            )
    return found
