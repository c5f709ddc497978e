"""`edgewise trl`: train a model with TRL under a curriculum."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from edgewise.agents.commands.parse import parse
from edgewise.agents.commands.recipe import flag
from edgewise.agents.ranks import rank
from edgewise.agents.report import write_report
from edgewise.agents.run_folder import RunFolder
from edgewise.agents.trl_recipe import TRLConfig, from_recipe, make_trainer
from edgewise.errors import usage
from edgewise.lock import locked
from edgewise.registration import require


def run(arguments: Sequence[str]) -> None:
    """Train, or continue a run, and report."""
    config = parse_run(arguments)
    with usage():
        require("trl")
    with locked(config.output) if is_first() else nullcontext():
        with usage():
            refuse_output(config)
            trainer = make_trainer(config)
        trainer.train(resume_from_checkpoint=config.resume)
        trainer.save_model(str(config.output / "model"))
        if rank() == 0:
            report = write_report(RunFolder.open(config.output))
            print(f"model    {config.output / 'model'}\nreport   {report}")
        trainer.accelerator.end_training()


def is_first() -> bool:
    """Return whether this is the first process of those that torchrun or accelerate started, or alone."""
    return os.environ.get("RANK", "0") == "0"


def refuse_output(config: TRLConfig) -> None:
    """Check that a run begins in a folder without one, or goes on where there is a checkpoint.

    Raises:
        ValueError: If it does not.
    """
    if config.resume and not any(config.output.glob("checkpoint-*")):
        raise ValueError(f"`output` must have a checkpoint to resume, got {config.output}")
    if not config.resume and (config.output / "config.json").exists():
        raise ValueError(
            f"`output` must hold no run, got {config.output}; "
            "continue it with --resume, or name another"
        )


def parse_run(arguments: Sequence[str]) -> TRLConfig:
    """Return what a run is asked to do: by a recipe, if one is named, and the flags beside it.

    Raises:
        UsageError: If a flag does not exist, or a value or the recipe is refused.
    """
    path = flag(arguments, "recipe")
    if path is None:
        return parse(TRLConfig, "trl", arguments)
    with usage():
        recipe = from_recipe(Path(path))
    return parse(TRLConfig, "trl", arguments, recipe)
