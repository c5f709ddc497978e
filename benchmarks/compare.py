"""`edgewise compare`: on a suite of a paper, with models that train; else on simulated learners."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from edgewise.agents.commands import compare as simulated
from edgewise.agents.commands.parse import parse
from edgewise.agents.comparison import parse_curriculum
from edgewise.agents.run_folder import RunFolder
from edgewise.agents.train_config import NOT_IN_RECIPES, from_recipe
from edgewise.benchmarks.plan import (
    Cell,
    Plan,
    comparison_cells,
    selection_cells,
    start_cells,
)
from edgewise.benchmarks.study import choose, ladder_of, run_jobs
from edgewise.benchmarks.study_report import Scores
from edgewise.benchmarks.suite_report import Outcome, write_suite_report
from edgewise.benchmarks.suites import BASELINE, Size, listed, plan_of, suite_of, tasks_of
from edgewise.errors import usage

OF_CELLS = {"env", "curriculum", "algorithm", "agent", "seed", "evaluate", "evaluation"}


@dataclass(frozen=True)
class SuiteCompareConfig:
    """Train every curriculum on every task of a suite, and print the paper's table.

    Cells that are done are not done again, and those that were stopped go on; more seeds or curricula
    may be asked for in the same folder.
    """

    suite: str
    """Suite of a paper: sec or e2h."""
    curricula: str | None = None
    """Rules with commas between, each with its arguments; by default those of the paper. Random is
    always among them."""
    algorithms: str = "grpo"
    """Algorithms with commas between, each with its arguments: grpo,rloo,ppo."""
    tasks: str | None = None
    """Tasks of the suite with commas between; all by default."""
    seeds: int = 3
    """Paired seeds, from 1; seed 0 is kept for the choice of a learning rate."""
    agent: str | None = None
    """Model that starts every run, as in `edgewise train`; by default the seedling of each task."""
    recipe: Path | None = None
    """JSON file of flags of `edgewise train`, for all else: sizes, precision, adapters, engine."""
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
    """Answers to each."""
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
    config = parse(SuiteCompareConfig, "compare", arguments)
    console = Console()
    if not console.is_terminal:
        console.width = simulated.WIDTH
    with usage():
        suite = suite_of(config.suite)
        tasks = tasks_of(suite, config.tasks)
        curricula = listed(f"{BASELINE},{config.curricula or suite.curricula}")
        for name in curricula:
            parse_curriculum(name, config.num_steps)
        algorithms = listed(config.algorithms)
        size = size_of(config)
        folder = folder_of(config, size)
        plans = {
            name: plan_of(task, curricula, algorithms, config.seeds, size)
            for name, task in tasks.items()
        }
        ladders = {name: ladder_of(plan) for name, plan in plans.items()}
    outcomes = [
        Outcome(name, plans[name], Scores(cells, folder / name), ladders[name], folder / name)
        for name, cells in run_plans(plans, folder, config.processes, console).items()
    ]
    command = f"edgewise compare {shlex.join(arguments)}"
    sheets = write_suite_report(
        config.suite, outcomes, curricula, algorithms, suite.hardest, command, folder
    )
    for sheet in sheets:
        console.print(sheet.table())
    console.print(f"report {folder / 'report.md'}", highlight=False)


def size_of(config: SuiteCompareConfig) -> Size:
    """Return the size of every cell.

    Raises:
        ValueError: If a number is too small, or the recipe is refused.
    """
    names = [name for name in Size.__dataclass_fields__ if name != "train"]
    given: dict[str, Any] = {name: getattr(config, name) for name in names}
    if config.recipe is None:
        return Size(**given)
    record = (
        json.loads(config.recipe.read_text(encoding="utf-8")) if config.recipe.is_file() else {}
    )
    asked = asdict(from_recipe(config.recipe))
    mine = OF_CELLS | NOT_IN_RECIPES
    sizes = {name: asked[name] for name in record if name in names}
    if "learning_rate" in record:
        sizes["learning_rates"] = (asked["learning_rate"],)
    left = {name for name in record if name not in {*mine, *sizes, "learning_rate"}}
    return Size(**{**given, **sizes}, train={name: asked[name] for name in sorted(left)})


def folder_of(config: SuiteCompareConfig, size: Size) -> Path:
    """Return the folder of the runs, made if it is new.

    Raises:
        ValueError: If it has cells of another size.
    """
    path = config.output or Path("runs") / f"compare-{config.suite}"
    folder = RunFolder(path)
    record = json.loads(json.dumps({"suite": config.suite, **asdict(size)}, default=str))
    before = folder.read("size.json")
    if before is not None and before != record:
        changed = [name for name, value in record.items() if before.get(name) != value]
        raise ValueError(
            f"`output` must be new, or have cells of the same size, got {path} with another "
            f"{changed[0]}; name another folder"
        )
    path.mkdir(parents=True, exist_ok=True)
    folder.write("size.json", record)
    return path


def run_plans(
    plans: dict[str, Plan], folder: Path, num_workers: int, console: Console
) -> dict[str, list[Cell]]:
    """Run all cells of all tasks; return those of each."""
    first = {name: [*start_cells(plan), *candidates(plan)] for name, plan in plans.items()}
    follow(plans, first, folder, num_workers, console)
    cells = {}
    for name, plan in plans.items():
        chosen = choose(plan, folder / name) if candidates(plan) else dict.fromkeys(plan.rules, 0)
        cells[name] = [*first[name], *comparison_cells(plan, chosen)]
    follow(plans, cells, folder, num_workers, console)
    return cells


def candidates(plan: Plan) -> list[Cell]:
    """Return the runs that choose a learning rate, none where there is no choice."""
    return selection_cells(plan) if any(len(rates) > 1 for rates in plan.rules.values()) else []


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
        console.print(f"cells {done}/{len(jobs)}  {job[2].name} {name}", highlight=False)
