"""`edgewise train`: train a model under a curriculum, and report what it gained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import replace
from shlex import quote
from typing import Any

from rich.console import Console

from edgewise.agents.distributed import (
    all_gather_object,
    broadcast_from_rank0,
    locked,
    process_group,
    rank,
)
from edgewise.agents.training import validation
from edgewise.agents.training.config import TrainConfig
from edgewise.agents.training.display import Display, announcer, pressed, score_line, score_table
from edgewise.agents.training.report import write_report
from edgewise.agents.training.run import Training, begin, resume
from edgewise.agents.training.samples import LINES as SAMPLES
from edgewise.errors import usage
from edgewise.folder import finished
from edgewise.interrupts import Stopped, asked, stoppable


def run(config: TrainConfig, arguments: Sequence[str]) -> None:
    """Train, or continue a run."""
    with process_group(), ExitStack() as held:
        with usage():
            path = broadcast_from_rank0(config.folder())
            held.enter_context(locked(path))
            training = resume(path) if config.resumes else begin(replace(config, output=path))
        training.folder.tell()
        console = Console(quiet=rank() > 0)
        try:
            work(training, console)
        except KeyboardInterrupt:
            raise stopped("stopped", training) from None


def work(training: Training, console: Console) -> None:
    """Evaluate, train, evaluate again and report.

    Raises:
        Stopped: If the user asked for it.
    """
    num_steps, path = training.setup.batch.num_steps, training.folder.path
    say(console, f"run folder {path}")
    for note in training.notes:
        say(console, note)
    if training.state.step == num_steps:
        say(console, finished(num_steps, "steps are done"))
    before = evaluated(training, console, "before")
    arms = training.folder.config()["arms"]
    with (
        Display(console, arms, num_steps) as display,
        pressed(display.press) if console.is_terminal else nullcontext(),
        closing(training.steps()) as steps,
        stoppable(quiet=rank() > 0, say=announcer(console)),
    ):
        for metrics in steps:
            display.update(metrics, training.samples)
            if any(all_gather_object(asked())) and not training.done:
                break
    if not training.done:
        if rank() == 0:
            write_report(training.folder)
        raise stopped(f"stopped after step {training.state.step}", training)
    if training.looks.exhausted:
        step, looks = training.state.step, validation.num_since_best(training.looks.records)
        say(console, f"ended after step {step}: {looks} validations without a better score")
    model = training.finish()
    after = evaluated(training, console, "after")
    if rank() > 0:
        return
    report = write_report(training.folder)
    if before is not None and after is not None:
        console.print(score_table(before, after))
    tracked = "tensorboard" in training.setup.records.trackers
    curves = [("curves", f"tensorboard --logdir {path / 'tensorboard'}")] if tracked else []
    for name, place in (
        ("model", model),
        *best_model(training),
        ("report", report),
        ("records", path / "groups.jsonl"),
        ("samples", path / SAMPLES),
        *curves,
    ):
        say(console, f"{name:8} {place}")


def best_model(training: Training) -> list[tuple[str, str]]:
    """Return the line on the model with the best validation score, if there were validations."""
    best = validation.best_of(training.looks.records)
    if best is None:
        return []
    place, score = training.folder.path / validation.BEST, validation.score_of(best)
    return [("best", f"{place}, of step {best['step']}, {score:.3f} on validation problems")]


def say(console: Console, text: str) -> None:
    """Print a line without wrapping or markup."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def stopped(when: str, training: Training) -> Stopped:
    """Return the exception that ends the command, with how to resume on rank 0."""
    path = training.folder.path
    return Stopped(
        f"{when}; continue with: edgewise train --resume {quote(str(path))}" if rank() == 0 else ""
    )


def evaluated(training: Training, console: Console, when: str) -> dict[str, Any] | None:
    """Evaluate all levels, unless disabled or already done."""
    if not training.setup.evaluate:
        return None
    say(console, f"test problems {when} training:")
    return training.score(
        f"{when}.json",
        lambda score: say(console, f"  {score_line(score)}"),
    )
