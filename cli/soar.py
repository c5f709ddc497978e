"""`edgewise soar`: train a teacher to write problems from which students learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from shlex import quote
from typing import Any

from rich.console import Console

from edgewise.agents.soar.check import OWN, CheckRow, check_game
from edgewise.agents.soar.config import SOARRunConfig
from edgewise.agents.soar.report import write_report
from edgewise.agents.soar.run import SOARRun, begin, resume
from edgewise.agents.training.display import announcer, clock
from edgewise.cli.bar import bars
from edgewise.cli.plan import show_game
from edgewise.cli.train import say
from edgewise.errors import usage
from edgewise.interrupts import Stopped, asked, stoppable
from edgewise.lock import locked


def run(config: SOARRunConfig, arguments: Sequence[str]) -> None:
    """Play, continue a run, plan one, or check that the game can be won."""
    if config.plan:
        show_game(config)
        return
    console = Console()
    if config.check:
        with usage(), bars(console) as add:
            for row in check_game(config, add("students", 0)):
                say(console, row.line())
                if row.name == OWN:
                    for told in teacher_lines(row):
                        say(console, told)
        return
    with ExitStack() as held:
        with usage():
            path = config.folder()
            held.enter_context(locked(path))
            game = resume(path) if config.resumes else begin(replace(config, output=path))
        game.folder.tell()
        try:
            work(game, console, config.judge or game.config.judge)
        except KeyboardInterrupt:
            raise Stopped(f"stopped; {continued(game)}") from None


def teacher_lines(row: CheckRow) -> Iterator[str]:
    """Yield what rewards of the teacher's own problems say about the game."""
    if row.mean > row.threshold:
        yield (
            f"students would be promoted before the teacher learns: give a --threshold above "
            f"{row.mean:.3f}, or --no-promote"
        )
    found = row.noise()
    if found is None:
        yield "give --num-students 2 or more to see how much of a reward is chance"
        return
    yield (
        f"spread of the data sets {found.spread:.4f}, noise of a student {found.noise:.4f}: "
        f"reliability {found.reliability:.2f} with {found.num_students} students; an outer step is worth "
        f"{found.known:.1f} problems with a reward of their own"
    )


def work(game: SOARRun, console: Console, judge: str | None) -> None:
    """Play until the end or the first request to stop, and report.

    Raises:
        Stopped: If the user asked for it.
    """
    path, num_steps = game.folder.path, game.game.soar.num_steps
    say(console, f"run folder {path}")
    if game.state.stopped or game.state.step == num_steps:
        say(console, f"finished: {game.state.step} of {num_steps} outer steps are done")
    if game.num_too_long:
        say(console, f"{game.num_too_long} hard problems are left out: too long for the model")
    with bars(console) as add, stoppable(say=announcer(console)), ExitStack() as stack:
        outer, inner = add("outer steps", game.state.step), add("students", 0)
        for metrics in stack.enter_context(closing(game.steps(inner))):
            outer(game.state.step, num_steps)
            left = (num_steps - game.state.step) * metrics["time/step_seconds"]
            say(console, line(metrics, num_steps, left))
            if asked() and game.state.step < num_steps:
                break
    if game.state.stopped:
        say(console, f"the game ended early: {game.state.stopped}")
    elif game.state.step < num_steps:
        raise Stopped(f"stopped after step {game.state.step}; {continued(game)}")
    game.finish()
    with usage():
        report = write_report(game.folder, judge)
    for name, place in (
        ("teacher", path / "teacher"),
        ("student", path / "student"),
        ("problems", path / "problems.jsonl"),
        ("report", report),
    ):
        if place.exists():
            say(console, f"{name:8} {place}")


def line(metrics: Mapping[str, Any], num_steps: int, seconds: float) -> str:
    """Return an outer step in one line."""
    promoted = "  promoted" if metrics.get("promoted") else ""
    before = metrics.get("baseline_accuracy")
    return (
        f"step {metrics['step']}/{num_steps}  reward {metrics['reward']:+.4f}"
        f"  best {metrics['best_reward']:+.4f}"
        + ("" if before is None else f"  baseline {before:.3f}")
        + f"  accepted {metrics['accepted_ratio']:.2f}"
        f"  promotions {metrics['num_promoted']}  {clock(seconds)} left{promoted}"
    )


def continued(game: SOARRun) -> str:
    """Return how to resume the run."""
    return f"continue with: edgewise soar --resume {quote(str(game.folder.path))}"
