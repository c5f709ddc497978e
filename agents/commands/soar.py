"""`edgewise soar`: train a teacher to write problems from which students learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from rich.console import Console

from edgewise.agents.commands.parse import parse
from edgewise.agents.commands.train import say, stoppable
from edgewise.agents.display import clock
from edgewise.agents.soar_check import check_game
from edgewise.agents.soar_report import write_report
from edgewise.agents.soar_run import SOARRun, SOARRunConfig, begin, resume
from edgewise.errors import UsageError, usage


def run(arguments: Sequence[str]) -> None:
    """Play, continue a run, or check that the game can be won."""
    config = parse(SOARRunConfig, "soar", arguments)
    if config.resume is not None and len(arguments) > (1 if "=" in arguments[0] else 2):
        raise UsageError("`resume` must be the only flag; a run continues as it was begun")
    console = Console()
    if config.check:
        with usage():
            rows = check_game(config)
        for row in rows:
            say(console, row.line())
        return
    with usage():
        game = begin(config) if config.resume is None else resume(config.resume)
    try:
        work(game, console)
    except KeyboardInterrupt:
        say(console, f"stopped; {continued(game)}")


def work(game: SOARRun, console: Console) -> None:
    """Play until the end or the first request to stop, and report."""
    path, num_steps = game.folder.path, game.game.soar.num_steps
    say(console, f"run folder {path}")
    with closing(game.steps()) as steps, stoppable() as stopped:
        for metrics in steps:
            left = (num_steps - game.state.step) * metrics["time/step_seconds"]
            say(console, line(metrics, num_steps, left))
            if stopped() and game.state.step < num_steps:
                break
    if game.state.stopped:
        say(console, f"the game ended early: {game.state.stopped}")
    elif game.state.step < num_steps:
        say(console, f"stopped after step {game.state.step}; {continued(game)}")
        return
    game.finish()
    report = write_report(game.folder)
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
    """Say how the run goes on."""
    return f"continue with: edgewise soar --resume {game.folder.path}"
