"""`edgewise trl`: train a model with TRL under a curriculum."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from edgewise.agents.integrations.trl_config import TRLConfig, is_first
from edgewise.agents.training.folder_kind import TRL
from edgewise.errors import usage
from edgewise.folder import finished
from edgewise.interrupts import Stopped, asked, repeatable
from edgewise.lock import locked
from edgewise.registration import require


def run(config: TRLConfig, arguments: Sequence[str]) -> None:
    """Train, or continue a run, and report.

    Raises:
        Stopped: After a step of TRL and its checkpoint, if the user asked to stop.
    """
    with usage():
        require("trl")
    from edgewise.agents.distributed import rank  # torch, which takes seconds to import
    from edgewise.agents.integrations.trl_recipe import make_trainer, save_model
    from edgewise.agents.training.report import write_report
    from edgewise.agents.training.run_folder import RunFolder

    hint = f"continue with: edgewise trl {shlex.join(with_resume(arguments))}"
    with locked(config.output) if is_first() else nullcontext():
        with usage():
            config = begun_again(config)
            trainer = make_trainer(config)
        with repeatable(hint, quiet=rank() > 0):
            trainer.add_callback(stop_when_asked())
            trainer.add_callback(say_if_finished(config.num_steps))
            trainer.train(resume_from_checkpoint=config.resume)
            if trainer.state.global_step < trainer.args.max_steps:
                raise Stopped
        save_model(trainer, config.output / "model", config.lora_rank is not None)
        if rank() == 0:
            report = write_report(RunFolder.open(config.output))
            print(f"model    {config.output / 'model'}\nreport   {report}")
        trainer.accelerator.end_training()


def with_resume(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` with --resume."""
    return [*arguments, *([] if "--resume" in arguments else ["--resume"])]


def stop_when_asked() -> Any:
    """Return a callback of transformers that saves and stops after a step if the user asks for it."""
    from transformers import TrainerCallback

    from edgewise.agents.distributed import all_gather_object

    class StopWhenAsked(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if any(all_gather_object(asked())):
                control.should_save = control.should_training_stop = True

    return StopWhenAsked()


def say_if_finished(num_steps: int) -> Any:
    """Return a callback of transformers that says so if a resumed run has no step left."""
    from transformers import TrainerCallback

    class SayIfFinished(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step >= state.max_steps and state.is_world_process_zero:
                print(finished(num_steps, "steps are done"))

    return SayIfFinished()


def begun_again(config: TRLConfig) -> TRLConfig:
    """Restart a run that was stopped before its first checkpoint; else return `config`.

    Its records go, with the first process.

    Raises:
        FileError: If they may be those of another run.
    """
    if not config.resume or any(config.output.glob("checkpoint-*")):
        return config
    if is_first():
        from edgewise.agents.training.run_folder import forget_records  # torch

        forget_records(config.output, TRL)
        print(f"{config.output} has no checkpoint yet: the run begins again")
    return replace(config, resume=False)
