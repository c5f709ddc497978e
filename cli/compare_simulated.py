"""`edgewise compare` without a suite: try every curriculum on simulated learners."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import chain
from multiprocessing import get_context

from rich.console import Console, RenderableType
from rich.progress import Progress, TimeElapsedColumn

from edgewise.agents.training.display import announcer
from edgewise.agents.training.folder_kind import SIMULATED, check_kind
from edgewise.benchmarks.simulation.compare import (
    BASELINE,
    CellFile,
    Size,
    catalogue,
    cells_of,
    check,
    run_cells,
)
from edgewise.benchmarks.simulation.report import Results, by_world, claims, overall, write_report
from edgewise.benchmarks.simulation.worlds import WORLDS
from edgewise.cli.compare_flags import CompareConfig
from edgewise.errors import usage
from edgewise.folder import finished
from edgewise.interrupts import repeatable
from edgewise.lock import locked
from edgewise.wrappers.rules.catalogue import split_names

WIDTH = 160  # of the tables, where there is no terminal
LINES = 10  # of progress, where there is no terminal


def run(config: CompareConfig) -> None:
    """Run every cell that is not done, then write and print what was found."""
    with locked(config.output):
        fill(config)


def fill(config: CompareConfig) -> None:
    """Run every cell that is not done, then write and print what was found."""
    with usage():
        size = Size(
            num_steps=config.num_steps,
            num_arms=config.num_arms,
            num_problems=config.num_problems,
            group_size=config.group_size,
            algorithm=config.algorithm,
        )
        given = catalogue(size) if config.curricula is None else split_names(config.curricula)
        curricula = list(dict.fromkeys([BASELINE, *given]))
        worlds = list(WORLDS) if config.worlds is None else split_names(config.worlds)
        check(config.agent, worlds, curricula, size)
        check_kind(config.output, "output", SIMULATED)
        record = {"agent": config.agent, **asdict(size)}
        file = CellFile(config.output, record)
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    cells = cells_of(worlds, curricula, config.num_seeds)
    num_made = get_context("spawn").Value("q", 0)
    with repeatable(say=announcer(console)):
        done = run_cells(config.agent, size, cells, file, config.processes, num_made)
        show(console, done, len(cells), lambda: num_made.value / size.budget)
    results = Results([file.done[cell] for cell in cells])
    report = write_report(config.output, results, record)
    for sheet in (overall(results), by_world(results)):
        console.print(sheet.table())
    for line in (*claims(results), f"report {report}", f"cells  {file.path}"):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


class Bar(Progress):
    """A bar that moves while a cell is under way, by what `under_way` returns at each refresh."""

    def __init__(
        self, console: Console, begun: int, total: int, under_way: Callable[[], float]
    ) -> None:
        """Show `begun` of `total` cells, and those that `under_way` counts, in parts too."""
        columns = (*Progress.get_default_columns(), TimeElapsedColumn())
        super().__init__(*columns, console=console)
        self.begun, self.under_way = begun, under_way
        self.cells = self.add_task(f"cells {begun}/{total}", total=total, completed=begun)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the bar as it is now."""
        for task in self.task_ids:  # none while this is made
            self.update(task, completed=self.begun + self.under_way())
        yield from super().get_renderables()


def show(
    console: Console, progress: Iterable[int], total: int, under_way: Callable[[], float]
) -> None:
    """Run through `progress`, the number of cells done, showing it: a bar or a line now and then."""
    counts = iter(progress)
    first = next(counts)
    if first == total:
        console.print(finished(total, "cells are done"))
    progress = chain([first], counts)
    if console.is_terminal:
        with Bar(console, first, total, under_way) as bar:
            for done in progress:
                bar.update(bar.cells, description=f"cells {done}/{total}")
        return
    shown = -1
    for done in progress:
        if done * LINES // total > shown:
            shown = done * LINES // total
            console.print(f"cells {done}/{total}", highlight=False)
