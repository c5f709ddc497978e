"""`edgewise train`: train a model under a curriculum, and report what it gained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
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
from edgewise.agents.training.config import TrainConfig
from edgewise.agents.training.display import Display, announcer, score_line, score_table
from edgewise.agents.training.folder_kind import TRAIN, check_kind
from edgewise.agents.training.report import write_report
from edgewise.agents.training.run import Training, begin, resume
from edgewise.errors import usage
from edgewise.interrupts import Stopped, asked, stoppable


def run(config: TrainConfig, arguments: Sequence[str]) -> None:
    """Train, or continue a run."""
    with process_group(), ExitStack() as held:
        with usage():
            path = broadcast_from_rank0(config.folder())
            if config.resumes:
                check_kind(path, "resume", TRAIN)
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
        say(console, f"finished: all {num_steps} steps are done, and stay as they are")
    before = evaluated(training, console, "before")
    arms = training.folder.config()["arms"]
    with (
        Display(console, arms, num_steps) as display,
        closing(training.steps()) as steps,
        stoppable(quiet=rank() > 0, say=announcer(console)),
    ):
        for metrics in steps:
            display.update(metrics)
            if any(all_gather_object(asked())) and training.state.step < num_steps:
                break
    if training.state.step < num_steps:
        if rank() == 0:
            write_report(training.folder)
        raise stopped(f"stopped after step {training.state.step}", training)
    model = training.finish()
    after = evaluated(training, console, "after")
    if rank() > 0:
        return
    report = write_report(training.folder)
    if before is not None and after is not None:
        console.print(score_table(before, after))
    for name, place in (
        ("model", model),
        ("report", report),
        ("records", path / "groups.jsonl"),
        ("curves", f"tensorboard --logdir {path / 'tensorboard'}"),
    ):
        say(console, f"{name:8} {place}")


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
