"""`edgewise trl`: train a model with TRL under a curriculum."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgewise.agents.distributed import all_gather_object, rank
from edgewise.agents.integrations.trl_recipe import TRLConfig, from_recipe, make_trainer
from edgewise.agents.training.report import write_report
from edgewise.agents.training.run_folder import LINES, RunFolder
from edgewise.cli.parse import parse
from edgewise.cli.recipe import flag
from edgewise.errors import usage
from edgewise.interrupts import Stopped, asked, repeatable
from edgewise.lock import locked
from edgewise.registration import require


def run(arguments: Sequence[str]) -> None:
    """Train, or continue a run, and report.

    Raises:
        Stopped: After a step of TRL and its checkpoint, if the user asked to stop.
    """
    config = parse_run(arguments)
    with usage():
        require("trl")
    told = f"continue with: edgewise trl {shlex.join(with_resume(arguments))}"
    with locked(config.output) if is_first() else nullcontext():
        with usage():
            refuse_output(config)
            config = begun_again(config)
            trainer = make_trainer(config)
        with repeatable(told, quiet=rank() > 0):
            trainer.add_callback(stop_when_asked())
            trainer.train(resume_from_checkpoint=config.resume)
            if trainer.state.global_step < trainer.args.max_steps:
                raise Stopped
        trainer.save_model(str(config.output / "model"))
        if rank() == 0:
            report = write_report(RunFolder.open(config.output))
            print(f"model    {config.output / 'model'}\nreport   {report}")
        trainer.accelerator.end_training()


def is_first() -> bool:
    """Return whether this is the first process of those that torchrun or accelerate started, or alone."""
    return os.environ.get("RANK", "0") == "0"


def with_resume(arguments: Sequence[str]) -> list[str]:
    """Return the flags that continue a run which was begun with `arguments`."""
    return [*arguments, *([] if "--resume" in arguments else ["--resume"])]


def stop_when_asked() -> Any:
    """Return a callback of transformers that saves and stops after a step if the user asks for it."""
    from transformers import TrainerCallback

    class StopWhenAsked(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if any(all_gather_object(asked())):
                control.should_save = control.should_training_stop = True

    return StopWhenAsked()


def refuse_output(config: TRLConfig) -> None:
    """Check that a run begins in a folder without one, or goes on where there is one.

    Raises:
        ValueError: If it does not.
    """
    if config.output.exists() and not config.output.is_dir():
        raise ValueError(f"`output` must be a folder, got {config.output}")
    if config.resume and is_first() and not (config.output / "config.json").exists():
        raise ValueError(f"`output` must have a run to resume, got {config.output}")
    if not config.resume and (config.output / "config.json").exists():
        raise ValueError(
            f"`output` must hold no run, got {config.output}; "
            "continue it with --resume, or name another"
        )


def begun_again(config: TRLConfig) -> TRLConfig:
    """Return a run that begins anew if it is to go on and was stopped before its first checkpoint.

    Its records go, with the first process.
    """
    if not config.resume or any(config.output.glob("checkpoint-*")):
        return config
    if is_first():
        for name in ("config.json", *LINES):
            (config.output / name).unlink(missing_ok=True)
        print(f"{config.output} has no checkpoint yet: the run begins again")
    return replace(config, resume=False)


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
