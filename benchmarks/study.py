"""A pre-registered comparison of curricula on real models: what a plan says, cell by cell.

    python -m edgewise.benchmarks.study benchmarks/plans/countdown.json --output runs/study --workers 2

A plan is committed before its runs. It names the rules, each with the same number of
configurations; the configuration of a rule is chosen by its mean accuracy on validation problems,
and only then do the seeds of the comparison run. Every cell, a run of one rule from one model with
one seed, has the same budget of rollouts, screening included, and is also scored when it has used
its budget of generated tokens. Cells that are done are not done again; those that were stopped go on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
import tyro

import edgewise
from edgewise.agents.evaluation import EvaluationPlan, sample
from edgewise.agents.train_config import TrainConfig, complete
from edgewise.agents.training import Training, begin, resume
from edgewise.benchmarks.plan import (
    Cell,
    Plan,
    comparison_cells,
    selection_cells,
    start_cells,
    transfer_cells,
)
from edgewise.benchmarks.study_report import write_study

Counts = dict[str, list[int]]  # right answers to each problem, by level


def choose(plan: Plan, folder: Path) -> dict[str, int]:
    """Return, for each rule, the number of the configuration with the best validation accuracy."""
    totals: dict[str, list[float]] = {rule: [0.0] * len(c) for rule, c in plan.rules.items()}
    for cell in selection_cells(plan):
        scores = json.loads((folder / cell.name / "after.json").read_text())
        totals[cell.rule][cell.number] += scores["mean"]
    return {rule: values.index(max(values)) for rule, values in totals.items()}


def run_cell(plan: Plan, cell: Cell, folder: Path) -> str:
    """Train and score one cell, or go on with it; return its name."""
    path = folder / cell.name
    if (path / "after.json").is_file():
        return cell.name
    begun = (path / "config.json").is_file()
    training = resume(path) if begun else begin(complete(train_config(plan, cell, path)))
    if cell.phase == "start":
        training.folder.write("after.json", score(plan, training, "test"))
        return cell.name
    used = spent(plan, training.folder.lines("metrics.jsonl"))
    if used["rollouts"] < plan.num_rollouts:
        with closing(training.steps()) as steps:
            for metrics in steps:
                before, used = used, add(plan, used, metrics)
                if (
                    before["tokens"] < plan.num_tokens <= used["tokens"]
                    and cell.phase != "selection"
                ):
                    at_tokens = score(plan, training, "test")
                    training.folder.write("at-tokens.json", {**at_tokens, **used})
                if used["rollouts"] >= plan.num_rollouts:
                    break
    split = "validation" if cell.phase == "selection" else "test"
    training.folder.write("after.json", {**score(plan, training, split), **used})
    return cell.name


def train_config(plan: Plan, cell: Cell, path: Path) -> TrainConfig:
    """Return what `edgewise train` would be given."""
    return TrainConfig(
        env=plan.env,
        agent=plan.agents[cell.agent],
        num_steps=plan.num_steps,
        num_problems=plan.num_problems,
        group_size=plan.group_size,
        seed=cell.seed,
        output=path,
        evaluate=False,
        **cell.config,
    )


def spent(plan: Plan, records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return what the steps so far have used."""
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
    """Return the right answers to each problem of each level, and the mean over training levels."""
    test = split == "test"
    size = plan.test_problems if test else plan.validation_problems
    num_samples = plan.test_samples if test else 1
    options: dict[str, Any] = {"preset": training.config.preset}
    single: Any = gym.make(plan.env, split=split, allow_ood=True, **options).unwrapped
    levels = [level for level in single.preset.levels if test or level not in single.preset.ood]
    counts: Counts = {}
    for level in levels:
        problems = edgewise.evaluation_set(single, level, size)
        found = sample(
            problems,
            num_samples,
            training.policy,
            plan.env,
            options,
            EvaluationPlan(split=split),
            training.sampling,
            torch.Generator().manual_seed(1_000 + level),
            training.policy.render,
        )
        counts[str(level)] = found["correct"].sum(axis=1).astype(int).tolist()
    means = [sum(counts[str(n)]) / len(counts[str(n)]) / num_samples for n in levels]
    trained = [
        mean for level, mean in zip(levels, means, strict=True) if level not in single.preset.ood
    ]
    return {"mean": sum(trained) / len(trained), "samples": num_samples, "correct": counts}


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


def run_all(plan: Plan, cells: Sequence[Cell], command: StudyCommand) -> None:
    """Run `cells`, several at a time, each in one thread."""
    if command.workers == 1:
        show(run_cell(plan, cell, command.output) for cell in cells)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to come
    with ProcessPoolExecutor(command.workers, mp_context=get_context("spawn")) as pool:
        count = len(cells)
        show(pool.map(run_cell, [plan] * count, cells, [command.output] * count))


def show(names: Iterable[str]) -> None:
    """Print the cells as they are done."""
    for name in names:
        print(name, flush=True)


def main() -> None:
    """Select, compare, and measure the transfer between levels."""
    command = tyro.cli(StudyCommand)
    plan = Plan.load(command.plan)
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
    single: Any = gym.make(plan.env, preset=complete(train_config(plan, cells[0], Path())).preset)
    preset = single.unwrapped.preset
    ood = {str(level): level in preset.ood for level in preset.levels}
    print(write_study(plan, cells, ood, command.output, command.results / command.plan.stem))


if __name__ == "__main__":
    main()
