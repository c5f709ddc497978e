"""`edgewise train`: train a model under a curriculum, and report what it gained."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

from rich.console import Console

from edgewise.agents.commands.parse import parse
from edgewise.agents.display import Display, score_line, score_table
from edgewise.agents.report import write_report
from edgewise.agents.training import TrainConfig, Training, begin, resume
from edgewise.errors import UsageError, usage


def run(arguments: Sequence[str]) -> None:
    """Train, or continue a run."""
    config = parse(TrainConfig, "train", arguments)
    if config.resume is not None and len(arguments) > (1 if "=" in arguments[0] else 2):
        raise UsageError("`resume` must be the only flag; a run continues as it was begun")
    with usage():
        training = begin(config) if config.resume is None else resume(config.resume)
    console = Console()
    try:
        with stoppable() as stopped:
            work(training, console, stopped)
    except FloatingPointError as error:
        raise UsageError(str(error)) from error


def work(training: Training, console: Console, stopped: Callable[[], bool]) -> None:
    """Evaluate, train, evaluate again and report; `stopped` says when to leave off."""
    config, path = training.config, training.folder.path
    console.print(f"run folder {path}", soft_wrap=True, highlight=False)
    before = evaluated(training, console, "before")
    arms = training.envs.arms
    assert config.num_steps is not None
    with Display(console, arms, config.num_steps) as display, closing(training.steps()) as steps:
        for metrics in steps:
            display.update(metrics)
            if stopped() and training.state.step < config.num_steps:
                break
    if training.state.step < config.num_steps:
        write_report(training.folder)
        console.print(
            f"stopped after step {training.state.step} of {config.num_steps}; "
            f"continue with: edgewise train --resume {path}",
            soft_wrap=True,
            highlight=False,
        )
        return
    model = training.finish()
    after = evaluated(training, console, "after")
    report = write_report(training.folder)
    if before is not None and after is not None:
        console.print(score_table(before, after))
    for name, place in (
        ("model", model),
        ("report", report),
        ("records", path / "groups.jsonl"),
        ("curves", f"tensorboard --logdir {path / 'tensorboard'}"),
    ):
        console.print(f"{name:8} {place}", soft_wrap=True, highlight=False)


def evaluated(training: Training, console: Console, when: str) -> dict[str, Any] | None:
    """Score all levels, unless that is turned off or already done."""
    if not training.config.evaluate:
        return None
    console.print(f"test problems {when} training:", highlight=False)
    return training.score(
        f"{when}.json",
        lambda score: console.print(f"  {score_line(score)}", soft_wrap=True, highlight=False),
    )


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Make the first Ctrl-C or SIGTERM a request to stop after the step, the second a stop."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
