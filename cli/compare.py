"""`edgewise compare`: on a suite of a paper, with models that train; else on simulated learners."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from edgewise.agents.policies.options import Sampling
from edgewise.agents.training.config import from_recipe
from edgewise.agents.training.recipe_file import NOT_IN_RECIPES
from edgewise.agents.training.run import make_hyperparameters
from edgewise.benchmarks.simulation.compare import parse_curriculum
from edgewise.benchmarks.studies.cells import folder_of_size
from edgewise.benchmarks.studies.plan import (
    Cell,
    Plan,
    comparison_cells,
    selection_cells,
    start_cells,
)
from edgewise.benchmarks.studies.study import choose, ladder_of, run_jobs, train_config
from edgewise.benchmarks.studies.study_report import Scores
from edgewise.benchmarks.studies.suite_report import Outcome, write_suite_report
from edgewise.benchmarks.studies.suites import BASELINE, Size, listed, plan_of, suite_of, tasks_of
from edgewise.cli import compare_simulated as simulated
from edgewise.cli import compare_soar
from edgewise.cli.parse import parse
from edgewise.cli.recipe import flag
from edgewise.errors import usage
from edgewise.files import read_json
from edgewise.interrupts import repeatable
from edgewise.lock import locked

OF_CELLS = {"env", "curriculum", "seed", "evaluate", "evaluation", "sharding", *NOT_IN_RECIPES}
FLAGS = {
    "agent",
    "data",
    "num_steps",
    "num_problems",
    "group_size",
}  # of a recipe that are flags here, too


@dataclass(frozen=True)
class SuiteCompareConfig:
    """Train every curriculum on every task of a suite, and print the paper's table.

    Cells that are done are not done again, and those that were stopped go on; more seeds or curricula
    may be asked for in the same folder.
    """

    suite: str
    """Suite of a paper: sec or e2h; soar has flags of its own, `edgewise compare --suite soar --help`."""
    curricula: str | None = None
    """Rules with commas between, each with its arguments; by default those of the paper. Random is
    always among them."""
    algorithms: str = "grpo"
    """Algorithms with commas between, each with its arguments: grpo,rloo,ppo."""
    tasks: str | None = None
    """Tasks of the suite with commas between; by default all that a seedling can begin. Mathematics of
    sec, which is MATH in five arms of different sizes, needs an `agent` and its data."""
    seeds: int = 3
    """Paired seeds, from 1; seed 0 is kept for the choice of a learning rate."""
    agent: str | None = None
    """Model that starts every run, as in `edgewise train`; by default the seedling of each task."""
    recipe: Path | None = None
    """JSON file of flags of `edgewise train`: model, sizes, precision, adapters, engine; flags given
    beside it win."""
    data: str | None = None
    """Folder of the data sets of mathematics; by default EDGEWISE_DATA."""
    num_steps: int = 60
    """Training steps, one batch each."""
    num_problems: int = 16
    """Problems in a batch, P."""
    group_size: int = 8
    """Completions of each problem, G."""
    learning_rates: tuple[float, ...] = (2e-4,)
    """Learning rates of AdamW; of several, each rule gets the best on validation problems."""
    validation_problems: int = 100
    """Validation problems of each training level, answered once at every look."""
    test_problems: int = 200
    """Test problems of each level."""
    test_samples: int = 1
    """Answers to each, at the temperature of the preset's protocol."""
    num_looks: int = 4
    """Looks at a run on validation problems while it trains, the last at its end."""
    processes: int = 2
    """Cells that run at the same time, one thread each."""
    output: Path | None = None
    """Folder of the runs and of the report; by default runs/compare-SUITE."""

    def __post_init__(self) -> None:
        """Check what nothing else checks."""
        for name in ("seeds", "processes"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")


def run(arguments: Sequence[str]) -> None:
    """Compare on a suite if one is named, else on simulated learners."""
    if not any(word.split("=")[0] == "--suite" for word in arguments):
        simulated.run(arguments)
        return
    console = Console()
    if not console.is_terminal:
        console.width = simulated.WIDTH
    if flag(arguments, "suite") == "soar":
        compare_soar.run(arguments, console)
        return
    config, train = parse_comparison(arguments)
    with locked(output_of(config)):
        compare(config, train, f"edgewise compare {shlex.join(arguments)}", console)


def compare(
    config: SuiteCompareConfig, train: Mapping[str, Any], command: str, console: Console
) -> None:
    """Run every cell that is not done, then write and print what was found."""
    with usage():
        suite = suite_of(config.suite)
        tasks = tasks_of(suite, config.tasks)
        curricula = listed(f"{BASELINE},{config.curricula or suite.curricula}")
        for name in curricula:
            parse_curriculum(name, config.num_steps)
        algorithms = listed(config.algorithms)
        size = size_of(config, train)
        plans = {
            name: plan_of(task, curricula, algorithms, config.seeds, size)
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


def parse_comparison(arguments: Sequence[str]) -> tuple[SuiteCompareConfig, dict[str, Any]]:
    """Return what is asked for, by a recipe, if one is named, and the flags beside it, which win.

    The other part is what the recipe says of every cell, and no flag does. A cell is one process, so
    a recipe's `sharding` is left out.

    Raises:
        UsageError: If a flag does not exist, or a value or the recipe is refused.
    """
    path = flag(arguments, "recipe")
    if path is None:
        return parse(SuiteCompareConfig, "compare", arguments), {}
    with usage():
        recipe = recipe_of(Path(path))
        given = {name: recipe.pop(name) for name in list(recipe) if name in FLAGS}
        if "learning_rate" in recipe:
            given["learning_rates"] = (recipe.pop("learning_rate"),)
        if "algorithm" in recipe:
            given["algorithms"] = recipe.pop("algorithm")
        default = SuiteCompareConfig(suite=flag(arguments, "suite") or "", **given)
    kept = {name: value for name, value in sorted(recipe.items()) if name not in OF_CELLS}
    return parse(SuiteCompareConfig, "compare", arguments, default), kept


def recipe_of(path: Path) -> dict[str, Any]:
    """Return the flags in a recipe.

    Raises:
        ValueError: If it is refused.
    """
    flags = asdict(from_recipe(path))
    return {name: flags[name] for name in read_json(path)}


def size_of(config: SuiteCompareConfig, train: Mapping[str, Any]) -> Size:
    """Return the size of every cell, with the further parts of every TrainConfig.

    Raises:
        ValueError: If a number is too small.
    """
    names = [name for name in Size.__dataclass_fields__ if name != "train"]
    further = dict(train) if config.data is None else {**train, "data": config.data}
    return Size(**{name: getattr(config, name) for name in names}, train=further or None)


def check(plan: Plan) -> None:
    """Raise ValueError if a cell of `plan` would be refused."""
    for rule, configs in plan.rules.items():
        for number, config in enumerate(configs):
            cell = Cell("comparison", rule, next(iter(plan.agents)), 1, config, number)
            made = train_config(plan, cell, Path())
            make_hyperparameters(made, Sampling())


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
