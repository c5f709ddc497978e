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
from edgewise.agents.training.config import default_output
from edgewise.agents.training.display import Display, announcer, score_line, score_table
from edgewise.agents.training.folder_kind import TRAIN, check_kind
from edgewise.agents.training.report import write_report
from edgewise.agents.training.run import Training, begin, resume
from edgewise.cli.recipe import parse_training
from edgewise.errors import UsageError, usage
from edgewise.interrupts import Stopped, asked, stoppable


def run(arguments: Sequence[str]) -> None:
    """Train, or continue a run."""
    config = parse_training("train", arguments)
    if config.resume is not None and len(arguments) > (1 if "=" in arguments[0] else 2):
        raise UsageError("`resume` must be the only flag; a run continues as it was begun")
    with process_group(), ExitStack() as held:
        with usage():
            path = broadcast_from_rank0(config.resume or config.output or default_output(config))
            if config.resume is not None:
                check_kind(path, "resume", TRAIN)
            held.enter_context(locked(path))
            begun = replace(config, output=path)
            training = begin(begun) if config.resume is None else resume(path)
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
    config, path = training.config, training.folder.path
    say(console, f"run folder {path}")
    for note in training.notes:
        say(console, note)
    before = evaluated(training, console, "before")
    arms = training.folder.config()["arms"]
    assert config.num_steps is not None
    with (
        Display(console, arms, config.num_steps) as display,
        closing(training.steps()) as steps,
        stoppable(quiet=rank() > 0, say=announcer(console)),
    ):
        for metrics in steps:
            display.update(metrics)
            if any(all_gather_object(asked())) and training.state.step < config.num_steps:
                break
    if training.state.step < config.num_steps:
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
    """Print a line as it is, however narrow the terminal."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def stopped(when: str, training: Training) -> Stopped:
    """Return what ends the command, and on the first rank says how the run goes on."""
    path = training.folder.path
    return Stopped(
        f"{when}; continue with: edgewise train --resume {quote(str(path))}" if rank() == 0 else ""
    )


def evaluated(training: Training, console: Console, when: str) -> dict[str, Any] | None:
    """Score all levels, unless that is turned off or already done."""
    if not training.config.evaluate:
        return None
    say(console, f"test problems {when} training:")
    return training.score(
        f"{when}.json",
        lambda score: say(console, f"  {score_line(score)}"),
    )
