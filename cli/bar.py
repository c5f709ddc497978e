"""Progress bars of commands that take long: in a terminal, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

Report = Callable[[int, int], None]  # how many are done, and of how many


@contextmanager
def bars(console: Console, transient: bool = False) -> Iterator[Callable[[str, int], Report]]:
    """Show progress bars in a terminal; yields a function that adds one, with how many are done.

    Args:
        console: Where.
        transient: Whether they are gone when the block ends.
    """
    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, disable=hidden, transient=transient) as shown:

        def add(name: str, begun: int) -> Report:
            task = shown.add_task(name, completed=begun, total=None)
            return lambda done, total: shown.update(task, completed=done, total=total)

        yield add


@contextmanager
def bar(name: str) -> Iterator[Report]:
    """Show one bar, beside the standard output, until the block ends."""
    with bars(Console(stderr=True), transient=True) as add:
        yield add(name, 0)
