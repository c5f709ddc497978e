"""`edgewise pretrain`: make a seedling from worked traces."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from rich.console import Console

from edgewise.agents.seedlings.card import load_recipe, save_seedling
from edgewise.agents.seedlings.pretrain import build_policy, pretrain
from edgewise.agents.training.display import clock
from edgewise.cli.model_flags import PretrainCommand
from edgewise.errors import UsageError, usage
from edgewise.files import replacing
from edgewise.lock import locked

LINE_EVERY = 50  # steps


def run(command: PretrainCommand, arguments: Sequence[str]) -> None:
    """Train, save, and write the model card."""
    torch.set_num_threads(command.threads)
    with locked(command.output, beside=True):
        if command.output.exists():
            raise UsageError(f"`output` must not exist, got {command.output}; name another")
        make(command)


def make(command: PretrainCommand) -> None:
    """Train, and write the folder of the model, atomically."""
    with usage():
        config = load_recipe(command.recipe)
        policy = build_policy(config)
    console = Console()
    size = sum(parameter.numel() for parameter in policy.parameters())
    console.print(f"{size:,} parameters, {config.total_steps} steps", highlight=False)
    began = time.perf_counter()
    for metrics in pretrain(config, policy):
        step = int(metrics["step"])
        if step % LINE_EVERY == 0 or step == config.total_steps:
            left = (time.perf_counter() - began) / step * (config.total_steps - step)
            console.print(
                f"step {step}/{config.total_steps}  loss {metrics['loss']:.4f}  {clock(left)} left",
                highlight=False,
            )
    words = f"edgewise pretrain --recipe {command.recipe} --output {command.output}"
    with replacing(command.output) as partial:
        save_seedling(partial, config, policy, command.evaluation, words)
    console.print(f"model {command.output}", soft_wrap=True, highlight=False)
