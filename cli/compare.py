"""`edgewise compare`: on a suite of a paper, with models that train; else on simulated learners."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from edgewise.agents.policies.options import Sampling
from edgewise.agents.training.config import complete
from edgewise.agents.training.parts import make_hyperparameters
from edgewise.benchmarks.simulation.compare import parse_curriculum
from edgewise.benchmarks.studies.cells import folder_of_size
from edgewise.benchmarks.studies.plan import (
    BASELINE,
    Cell,
    Plan,
    Size,
    comparison_cells,
    listed,
    plan_of,
    selection_cells,
    start_cells,
    suite_of,
    tasks_of,
)
from edgewise.benchmarks.studies.race import race
from edgewise.benchmarks.studies.race_plan import RacePlan
from edgewise.benchmarks.studies.study import (
    choose,
    is_done,
    ladder_of,
    run_cell,
    run_jobs,
    train_config,
)
from edgewise.benchmarks.studies.study_report import Scores
from edgewise.benchmarks.studies.suite_report import Outcome, write_suite_report
from edgewise.cli import compare_simulated as simulated
from edgewise.cli import compare_soar
from edgewise.cli.compare_flags import (
    CompareConfig,
    PlanCompareConfig,
    SOARCompareConfig,
    SuiteCompareConfig,
)
from edgewise.errors import usage
from edgewise.folder import finished
from edgewise.interrupts import repeatable
from edgewise.lock import locked


def run(
    config: CompareConfig | PlanCompareConfig | SOARCompareConfig | SuiteCompareConfig,
    arguments: Sequence[str],
) -> None:
    """Compare by a plan or on a suite if one is named, else on simulated learners."""
    if isinstance(config, PlanCompareConfig):
        race_by(config)
        return
    if isinstance(config, CompareConfig):
        simulated.run(config)
        return
    console, command = Console(), f"edgewise compare {shlex.join(arguments)}"
    if not console.is_terminal:
        console.width = simulated.WIDTH
    if isinstance(config, SOARCompareConfig):
        compare_soar.run(config, command, console)
        return
    with locked(output_of(config)):
        compare(config, command, console)


def race_by(config: PlanCompareConfig) -> None:
    """Run the missing runs of a plan, and print its report."""
    plan = RacePlan.load(config.plan)
    if config.scored_cost is not None:
        with usage():
            plan = replace(plan, scored_cost=config.scored_cost)
    folder = config.output or Path("runs") / config.plan.stem
    with locked(folder), repeatable(), usage():
        print(race(plan, folder, config.processes, lambda line: print(line, flush=True)))


def compare(config: SuiteCompareConfig, command: str, console: Console) -> None:
    """Run every cell that is not done, then write and print what was found."""
    with usage():
        suite = suite_of(config.suite)
        tasks = tasks_of(suite, config.tasks)
        curricula = listed(f"{BASELINE},{config.curricula or suite.curricula}")
        for name in curricula:
            parse_curriculum(name, config.num_steps)
        algorithms = listed(config.algorithms)
        size = size_of(config)
        plans = {
            name: plan_of(task, curricula, algorithms, config.num_seeds, size)
            for name, task in tasks.items()
        }
        for plan in plans.values():
            check(plan)
        ladders = {name: ladder_of(plan) for name, plan in plans.items()}
        folder = folder_of(config, size)
    with repeatable():
        done = run_plans(plans, folder, config.processes, console)
    outcomes = [
        Outcome(name, plans[name], Scores(cells, folder / name), ladders[name], folder / name)
        for name, cells in done.items()
    ]
    sheets = write_suite_report(
        config.suite, outcomes, curricula, algorithms, suite.hardest, command, folder
    )
    for sheet in sheets:
        console.print(sheet.table())
    console.print(f"report {folder / 'report.md'}", markup=False, highlight=False)


def size_of(config: SuiteCompareConfig) -> Size:
    """Return the size of every cell, with the further parts of every TrainConfig.

    Raises:
        ValueError: If a number is too small.
    """
    train = config.of_cells()
    names = [name for name in Size.__dataclass_fields__ if name != "train"]
    further = dict(train) if config.data is None else {**train, "data": config.data}
    return Size(**{name: getattr(config, name) for name in names}, train=further or None)


def check(plan: Plan) -> None:
    """Raise ValueError if a cell of `plan` would be refused."""
    for rule, configs in plan.rules.items():
        for number, config in enumerate(configs):
            cell = Cell("comparison", rule, next(iter(plan.agents)), 1, config, number)
            made = train_config(plan, cell, Path())
            make_hyperparameters(complete(made).setup.algorithm, Sampling())


def folder_of(config: SuiteCompareConfig, size: Size) -> Path:
    """Return the folder of the runs, made if it is new.

    Raises:
        ValueError: If it has cells of another size.
    """
    return folder_of_size(output_of(config), {"suite": config.suite, **asdict(size)})


def output_of(config: SuiteCompareConfig) -> Path:
    """Return where the runs and the report are."""
    return config.output or Path("runs") / f"compare-{config.suite}"


def run_plans(
    plans: dict[str, Plan], folder: Path, num_workers: int, console: Console
) -> dict[str, list[Cell]]:
    """Run all cells of all tasks; return those of each."""
    first = {name: [*start_cells(plan), *selection_cells(plan)] for name, plan in plans.items()}
    with usage():  # these load every model
        follow(plans, first, folder, num_workers, console)
    cells = {}
    for name, plan in plans.items():
        chosen = choose(plan, folder / name)
        cells[name] = [*first[name], *comparison_cells(plan, chosen)]
    jobs = [(plans[name], cell, folder / name) for name, found in cells.items() for cell in found]
    if all(is_done(*job) for job in jobs):
        for job in jobs:
            run_cell(*job)  # which checks it
        console.print(finished(len(jobs), "cells are done"))
        return cells
    follow(plans, cells, folder, num_workers, console)
    return cells


def follow(
    plans: dict[str, Plan],
    cells: dict[str, list[Cell]],
    folder: Path,
    num_workers: int,
    console: Console,
) -> None:
    """Run cells, of all tasks in turn, and print each as it is done."""
    jobs = [(plans[name], cell, folder / name) for name, found in cells.items() for cell in found]
    jobs.sort(key=lambda job: job[1].seed)  # what is stopped has whole seeds
    names: Iterable[str] = run_jobs(jobs, num_workers)
    for done, (name, job) in enumerate(zip(names, jobs, strict=True), start=1):
        told = f"cells {done}/{len(jobs)}  {job[2].name} {name}"
        console.print(told, markup=False, highlight=False)
