"""A pre-registered comparison of curricula on real models: what a plan says, cell by cell.

    python -m edgewise.benchmarks.studies.study benchmarks/plans/countdown.json --output runs/study --workers 2

A plan is committed before its runs. It names the rules, each with the same number of
configurations; the configuration of a rule is chosen by its mean accuracy on validation problems,
and only then do the seeds of the comparison run. Every cell, a run of one rule from one model with
one seed, has the same budget of rollouts, screening included, and is also scored when it has used
its budget of generated tokens, if there is one. With looks, a cell is scored on validation problems
while it trains, and at its end its weights at the best look, the best checkpoint, on the test problems.
Cells that are done are not done again; those that were stopped go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import tyro

import edgewise
from edgewise.agents.training.checkpoint import restore
from edgewise.agents.training.config import TrainConfig, complete
from edgewise.agents.training.evaluation import asking
from edgewise.agents.training.parts import Problems
from edgewise.agents.training.recipe_file import read_options
from edgewise.agents.training.run import Training, begin, resume
from edgewise.agents.training.run_folder import RunFolder
from edgewise.benchmarks.studies.cells import (
    AT_TOKENS,
    BEST,
    CURVE,
    LAST,
    check_asked,
    check_used,
    history,
    in_parallel,
    is_begun,
    past_looks,
    read_score,
)
from edgewise.benchmarks.studies.plan import (
    Cell,
    Plan,
    comparison_cells,
    selection_cells,
    start_cells,
    transfer_cells,
)
from edgewise.benchmarks.studies.study_report import write_study
from edgewise.env import unwrap
from edgewise.errors import usage
from edgewise.fields import build
from edgewise.files import FileError, replacing
from edgewise.interrupts import Stopped, asked
from edgewise.lock import locked
from edgewise.manifest import MANIFEST, check_manifest, write_manifest
from edgewise.pool import TooManyUnverified

Counts = dict[str, list[int]]  # right answers to each problem, by level
Job = tuple[Plan, Cell, Path]  # whose cell, which, and the folder of all
WEIGHTS = "best"  # folder of the weights at the best of them


def choose(plan: Plan, folder: Path) -> dict[str, int]:
    """Return, for each rule, the number of the configuration with the best validation accuracy.

    Where no rule has a choice, it is the first of each.
    """
    totals = {rule: [0.0] * len(configs) for rule, configs in plan.rules.items()}
    for cell in selection_cells(plan):
        scores = read_score(folder / cell.name / LAST, True)
        totals[cell.rule][cell.number] += scores["mean"]
    return {rule: values.index(max(values)) for rule, values in totals.items()}


def run_cell(plan: Plan, cell: Cell, folder: Path) -> str:
    """Train and score one cell, or go on with it; return its name.

    Raises:
        Stopped: After a step, if the user asked to stop; the cell goes on from there.
        FileError: If another process is at it, it is of another cell, or its records are damaged, on
            which its scores rest.
    """
    path = folder / cell.name
    config = complete(train_config(plan, cell, path))
    check_asked(path, config)
    if is_done(plan, cell, folder):
        check_done(plan, cell, RunFolder(path))
        return cell.name
    with locked(path):
        begun = is_begun(path)
        with usage():
            training = resume(path) if begun else begin(config)
        fill(plan, cell, training)
    return cell.name


def is_done(plan: Plan, cell: Cell, folder: Path) -> bool:
    """Return whether all scores of a cell are there."""
    looks = plan.num_looks and cell.phase not in ("start", "selection")
    return all((folder / cell.name / file).is_file() for file in (LAST, BEST)[: 1 + bool(looks)])


def check_done(plan: Plan, cell: Cell, folder: RunFolder) -> None:
    """Check that the scores of a cell that is done are of its own steps.

    Raises:
        FileError: If they are not, or are damaged.
    """
    last = read_score(folder.path / LAST, cell.phase != "start")
    if cell.phase == "start":
        return
    metrics = history(folder, int(last["steps"]))
    check_used(folder.path / LAST, last, spent(plan, metrics))
    check_looks(plan, folder, metrics)
    for file in (BEST, AT_TOKENS):
        if (folder.path / file).is_file():
            found = read_score(folder.path / file, True)
            check_used(folder.path / file, found, spent(plan, metrics[: int(found["steps"])]))


def check_looks(plan: Plan, folder: RunFolder, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Check that the looks until the last of some steps are at these.

    Raises:
        FileError: If they are not, or are damaged.
    """
    for past in past_looks(folder):
        if past["steps"] <= len(metrics):
            check_used(folder.path / CURVE, past, spent(plan, metrics[: int(past["steps"])]))


def fill(plan: Plan, cell: Cell, training: Training) -> None:
    """Train and score one cell from where it is."""
    metrics = history(training.folder, training.state.step)
    training.folder.tell()
    if cell.phase == "start":
        training.folder.write(LAST, score(plan, training, "test"))
        return
    check_looks(plan, training.folder, metrics[:-1])
    used = spent(plan, metrics)
    if metrics and cell.phase != "selection":  # it may have stopped before the last step was scored
        examine(plan, training, spent(plan, metrics[:-1]), used)
    if used["rollouts"] < plan.num_rollouts:
        with closing(training.steps()) as steps:
            for made in steps:
                before, used = used, add(plan, used, made)
                if cell.phase != "selection":
                    examine(plan, training, before, used)
                if used["rollouts"] >= plan.num_rollouts:
                    break
                if asked():
                    raise Stopped
    split = "validation" if cell.phase == "selection" else "test"
    last = {**score(plan, training, split), **used}
    if plan.num_looks and cell.phase != "selection":
        training.folder.write(BEST, score_best(plan, training, last))
    training.folder.write(LAST, last)


def score_best(plan: Plan, training: Training, last: dict[str, Any]) -> dict[str, Any]:
    """Return the test scores at the look with the best validation score, whose weights are kept."""
    looks = past_looks(training.folder)
    if not looks:
        raise FileError(f"{training.folder.path / CURVE}: must have a look, got none")
    best = max(looks, key=lambda past: past["mean"])  # the first of equals
    if best["steps"] == last["steps"]:
        return last
    weights = training.folder.path / WEIGHTS
    if (weights / MANIFEST).exists():  # version 0.1 wrote none
        check_manifest(weights, training.folder.run)
    restore(weights, training.policy)
    return {**best, **score(plan, training, "test")}


def examine(
    plan: Plan, training: Training, before: Mapping[str, float], used: Mapping[str, float]
) -> None:
    """Score a run between two steps, if it has just used its tokens or a look at it is due."""
    tokens = plan.num_tokens
    if tokens is not None and before["tokens"] < tokens <= used["tokens"]:
        training.folder.write(AT_TOKENS, {**score(plan, training, "test"), **used})
    due = [num_due(plan, amount["rollouts"]) for amount in (before, used)]
    if due[0] < due[1]:
        look(plan, training, used)


def num_due(plan: Plan, num_rollouts: float) -> int:
    """Count the evaluations that are due after so many rollouts."""
    return int(num_rollouts) * plan.num_looks // plan.num_rollouts


def look(plan: Plan, training: Training, used: Mapping[str, float]) -> None:
    """Score a run on validation problems, and keep its weights if it never was better.

    Steps since a checkpoint are drawn again, on some machines others: a look at such a step stays, with its
    weights, and is told what the steps used that stand in the records.
    """
    curve = past_looks(training.folder)
    if any(past["steps"] == used["steps"] for past in curve):
        known = [{**past, **used} if past["steps"] == used["steps"] else past for past in curve]
        if known != curve:
            training.folder.write(CURVE, {"looks": known})
        return
    curve = [past for past in curve if past["steps"] < used["steps"]]
    mean = score(plan, training, "validation")["mean"]
    if all(mean > past["mean"] for past in curve):
        with replacing(training.folder.path / WEIGHTS) as partial:
            training.policy.save(partial)
            write_manifest(partial, training.folder.run)
    training.folder.write(CURVE, {"looks": [*curve, {**used, "mean": mean}]})


def train_config(plan: Plan, cell: Cell, path: Path) -> TrainConfig:
    """Build the training config of a cell."""
    own = {
        "env": plan.env,
        "agent": plan.agents[cell.agent],
        "num_steps": plan.num_steps,
        "num_problems": plan.num_problems,
        "group_size": plan.group_size,
        "seed": cell.seed,
        "output": path,
        "evaluate": False,
    }
    return build(TrainConfig, {**own, **plan.train, **cell.config})


def spent(plan: Plan, records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Sum the budget that the steps so far have used."""
    used = {"steps": 0.0, "rollouts": 0.0, "tokens": 0.0, "effective": 0.0}
    for metrics in records:
        used = add(plan, used, metrics)
    return used


def add(plan: Plan, used: Mapping[str, float], metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return `used` with one more step, screening included."""
    rollouts = plan.num_problems * plan.group_size + metrics["num_extra_rollouts"]
    return {
        "steps": used["steps"] + 1,
        "rollouts": used["rollouts"] + rollouts,
        "tokens": used["tokens"] + metrics["num_tokens"] + metrics["num_extra_tokens"],
        "effective": used["effective"] + metrics["effective_prompt_ratio"],
    }


def score(plan: Plan, training: Training, split: str) -> dict[str, Any]:
    """Return the right answers to each problem of each level, and the mean over training levels.

    Answers are sampled at the temperature of the preset's protocol, as a paper evaluates.
    """
    test = split == "test"
    size = plan.test_problems if test else plan.validation_problems
    num_samples = plan.test_samples if test else 1
    split = split if test else plan.validation_split
    counts: Counts = {}
    scored = [level for level in levels_of(plan, training.setup.problems) if test or not level.ood]
    for level in scored:
        env = gym.make(level.env, split=split, allow_ood=True, **level.options)
        protocol = unwrap(env).preset.protocol
        asker = asking(
            training.policy,
            level.env,
            replace(training.sampling, temperature=protocol.temperature),
            split=split,
            render=training.policy.render,
            **level.options,
        )
        problems = edgewise.evaluation_set(env, level.number, size)
        found = asker(1_000 + level.number)(problems, num_samples)
        if not found.verified.all():
            raise TooManyUnverified(f"answers to {level.name} could not be verified; go on later")
        counts[level.name] = found.num_correct.tolist()
    rows = [counts[level.name] for level in scored if not level.ood]
    means = [sum(row) / len(row) / num_samples for row in rows]
    return {"mean": sum(means) / len(means), "samples": num_samples, "correct": counts}


@dataclass(frozen=True)
class Level:
    """A level that the runs of a plan are scored on."""

    name: str  # in the scores, with its environment if there are several
    env: str
    number: int
    ood: bool  # whether it is kept out of training
    options: dict[str, Any]  # keywords of the environment


def levels_of(plan: Plan, problems: Problems) -> Iterator[Level]:
    """Yield the levels of all environments of a plan, those that it only tests on at the end."""
    trained = plan.env.split(",")
    several = len(trained) + len(plan.tests) > 1
    for env_id in (*trained, *plan.tests):
        if env_id in trained:
            options = problems.options()
        else:
            options = read_options("{}", [env_id], problems.data)
        preset = unwrap(gym.make(env_id, allow_ood=True, **options)).preset
        for number in preset.levels:
            ood = env_id in plan.tests or number in preset.ood
            name = f"{env_id} {number}" if several else str(number)
            yield Level(name, env_id, number, ood, options)


def ladder_of(plan: Plan) -> dict[str, bool]:
    """Return whether each level of a plan is kept out of training."""
    config = complete(train_config(plan, start_cells(plan)[0], Path()))
    return {level.name: level.ood for level in levels_of(plan, config.problems)}


@dataclass(frozen=True)
class StudyCommand:
    """Run a plan, and write its results."""

    plan: tyro.conf.Positional[Path]
    """JSON file of the plan."""
    output: Path = Path("runs/study")
    """Folder of the runs."""
    results: Path = Path("benchmarks/results")
    """Folder of the results, which take the name of the plan."""
    workers: int = 1
    """Cells that are run at the same time."""


def run_jobs(jobs: Sequence[Job], num_workers: int) -> Iterator[str]:
    """Run cells, several at a time; yield the name of each, in their order."""
    return in_parallel(run_cell, jobs, num_workers)


def show(names: Iterable[str]) -> None:
    """Print the cells as they are done."""
    for name in names:
        print(name, flush=True)


def run_all(plan: Plan, cells: Sequence[Cell], command: StudyCommand) -> None:
    """Run cells of one plan, and print them as they are done."""
    show(run_jobs([(plan, cell, command.output) for cell in cells], command.workers))


def main() -> None:
    """Select, compare, and measure the transfer between levels."""
    command = tyro.cli(StudyCommand)
    plan = Plan.load(command.plan)
    with locked(command.output):
        study(plan, command)


def study(plan: Plan, command: StudyCommand) -> None:
    """Run what is missing of a plan, and write its results."""
    run_all(plan, start_cells(plan) + selection_cells(plan), command)
    chosen = choose(plan, command.output)
    print("chosen", chosen, flush=True)
    run_all(plan, comparison_cells(plan, chosen) + transfer_cells(plan), command)
    cells = [
        *start_cells(plan),
        *selection_cells(plan),
        *comparison_cells(plan, chosen),
        *transfer_cells(plan),
    ]
    results = command.results / command.plan.stem
    print(write_study(plan, cells, ladder_of(plan), command.output, results))


if __name__ == "__main__":
    main()
