"""Compare curricula over worlds and seeds, cell by cell; what is done is not done again.

A cell is one learner of one world under one curriculum. All cells have the same budget, in
completions: a filter, which has some made for nothing, gets fewer steps for it. Every curriculum
meets the same learners, the same seeds of problems and of outcomes, so that differences from Random
are paired.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgewise.agents.algorithms.filters import FILTERS, Filter
from edgewise.benchmarks.simulation.env import MAX_LEVELS, SimulatedVectorEnv
from edgewise.benchmarks.simulation.learner import SimulatedLearner, start, train
from edgewise.benchmarks.simulation.skills import ADVANTAGES
from edgewise.benchmarks.simulation.worlds import WORLDS, World
from edgewise.benchmarks.workers import in_order
from edgewise.errors import unknown
from edgewise.files import FileError, read_json, read_text, write_atomically
from edgewise.interrupts import Stopped, asked
from edgewise.wrappers import CURRICULA, PROBLEM_CURRICULA, ProblemRule, Rule, make_rule
from edgewise.wrappers.rules.catalogue import construct, example_of
from edgewise.wrappers.vector import with_rule

BASELINE = "random"
num_made_here: Any = None  # completions made by all processes that run cells; None if nobody counts


@dataclass(frozen=True)
class Size:
    """What all cells have in common."""

    num_steps: int = 40  # the budget, in batches
    num_arms: int = 9
    num_problems: int = 32  # in a batch, P
    group_size: int = 8  # completions of each problem, G
    algorithm: str = "grpo"  # whose advantages the learner forms

    def __post_init__(self) -> None:
        """Check every number and name."""
        least = {"num_steps": 1, "num_arms": 2, "num_problems": 1, "group_size": 2}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"`{name}` must be at least {bound}, got {getattr(self, name)}")
        if self.num_arms > MAX_LEVELS:
            raise ValueError(f"`num_arms` must be at most {MAX_LEVELS}, got {self.num_arms}")
        if self.algorithm not in ADVANTAGES:
            raise ValueError(unknown("algorithm", self.algorithm, ADVANTAGES))

    @property
    def budget(self) -> int:
        """Return how many completions a cell makes."""
        return self.num_steps * self.num_problems * self.group_size


@dataclass(frozen=True)
class Cell:
    """One run."""

    world: str
    curriculum: str  # a rule, with "+" and a filter if there is one
    seed: int


@dataclass(frozen=True)
class Record(Cell):
    """What came of a cell; accuracies are exact means over all problems of an arm."""

    steps: int
    rollouts: int
    auc_id: float  # mean accuracy of the training arms over the budget
    final_id: float  # and at its end
    final_ood: float
    effective_prompt_ratio: float  # of the groups trained on, those whose rewards differ
    extra_rollouts: float  # of rejected groups, as a share of all


def catalogue(size: Size) -> list[str]:
    """Return every curriculum by name, for a run of `size`, and Random under every filter.

    `subset` is the hardest third of the arms. PAC is cold for a tenth of the run, as in its paper.
    `e2h-classic`, which is `ordered`, is left out, and SPEED where groups are too small for it.
    """
    hardest = range(size.num_arms - max(size.num_arms // 3, 1), size.num_arms)
    given = {
        "subset": f"subset:arms=[{','.join(map(str, hardest))}]",
        "pac": f"pac:cold_steps={size.num_steps // 10}",
    }
    names = [name for name in (*CURRICULA, *PROBLEM_CURRICULA) if name != "e2h-classic"]
    rules = [given.get(name) or example_of(name) for name in names]
    filters = [name for name in FILTERS if FILTERS[name]().num_screened < size.group_size]
    return [*rules, *(f"{BASELINE}+{name}" for name in filters)]


def parse_curriculum(text: str, num_steps: int) -> tuple[Rule | ProblemRule, Filter | None]:
    """Return the rule and the filter that `text` names, as "rule" or "rule+filter".

    >>> parse_curriculum("balanced+bae:low=0.1", num_steps=10)
    (Balanced(signal=MeanAbsAdvantage()), Bae(low=0.1, high=0.8))

    Raises:
        ValueError: If there is no such rule, filter or argument.
    """
    name, _, test = text.partition("+")
    keep: Filter | None = construct("filter", test, FILTERS) if test else None
    return make_rule(name, num_steps), keep


def run_simulated(size: Size, cell: Cell) -> Record:
    """Train a simulated learner of the world of `cell`."""
    return run_world(size, cell, WORLDS[cell.world](size.num_arms, cell.seed))


def run_world(size: Size, cell: Cell, world: World) -> Record:
    """Train a simulated learner of `world` through one cell.

    Raises:
        Stopped: If the user asked to stop, after a step.
    """
    rule, keep = parse_curriculum(cell.curriculum, size.num_steps)
    envs = with_rule(
        SimulatedVectorEnv(
            size.num_problems * size.group_size, group_size=size.group_size, num_arms=size.num_arms
        ),
        rule,
    )
    envs.reset(seed=cell.seed)  # seeds the draws; the first batch is drawn by `collect`
    learner = SimulatedLearner(world, size.algorithm)
    state = start(cell.seed)
    spent, extra, effective = [0], 0, list[float]()
    curve = [learner.accuracy()]
    for metrics in train(envs, learner, size.budget, state, keep):
        if asked():
            raise Stopped
        count(state.rollouts - spent[-1])
        spent.append(state.rollouts)
        curve.append(learner.accuracy())
        extra += metrics["num_extra_rollouts"]
        effective.append(metrics["effective_prompts"])
    accuracies = np.array(curve)  # (steps + 1, M)
    means = accuracies[:, : size.num_arms].mean(axis=1)
    ood = accuracies[-1, size.num_arms :]
    area = (np.diff(spent) * (means[1:] + means[:-1]) / 2).sum() / spent[-1]
    return Record(
        **asdict(cell),
        steps=state.step,
        rollouts=state.rollouts,
        auc_id=float(area),
        final_id=float(means[-1]),
        final_ood=float(ood.mean()) if len(ood) else float("nan"),
        effective_prompt_ratio=float(np.mean(effective)),
        extra_rollouts=extra / state.rollouts,
    )


def prepare(num_made: Any) -> None:
    """Prepare a process that runs cells and adds to `num_made` the completions that it makes."""
    global num_made_here
    num_made_here = num_made
    torch.set_num_threads(1)


def count(number: int) -> None:
    """Add completions that were made to the count of all processes."""
    if num_made_here is not None:
        with num_made_here.get_lock():
            num_made_here.value += number


AGENTS: dict[str, Callable[[Size, Cell], Record]] = {"simulated": run_simulated}


def check(agent: str, worlds: Sequence[str], curricula: Sequence[str], size: Size) -> None:
    """Check names before anything is run.

    Raises:
        ValueError: If one of them does not exist, or cannot be used with `size`.
    """
    if agent not in AGENTS:
        raise ValueError(unknown("agent", agent, AGENTS))
    for world in worlds:
        if world not in WORLDS:
            raise ValueError(unknown("worlds", world, WORLDS))
    for text in curricula:
        rule, keep = parse_curriculum(text, size.num_steps)
        if isinstance(rule, Rule):
            rule.start(size.num_arms)
        if keep is not None and keep.num_screened >= size.group_size:
            raise ValueError(
                f"`screen` must be below group_size = {size.group_size}, got {keep.num_screened}"
            )


def cells_of(worlds: Sequence[str], curricula: Sequence[str], num_seeds: int) -> list[Cell]:
    """Return all cells, seed by seed, so that what is stopped has whole seeds."""
    return [
        Cell(world, curriculum, seed)
        for seed in range(num_seeds)
        for world in worlds
        for curriculum in curricula
    ]


class CellFile:
    """The table of all cells done, which a stop cannot harm: cells.csv, one line each."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Begin the table in `folder`, or go on with it.

        Raises:
            ValueError: If the folder has cells of another size or agent.
        """
        self.path = folder / "cells.csv"
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / "config.json"
        if made.exists():
            before = read_json(made)
            if before != dict(config):
                raise ValueError(
                    f"`output` must be of the same sizes and agent, got {folder} of {before}; "
                    "name another"
                )
        else:
            write_atomically(made, json.dumps(config, indent=2) + "\n")
        self.names = [field.name for field in fields(Record)]
        self.kinds = {"int": int, "float": float, "str": str}
        self.done = {Cell(r.world, r.curriculum, r.seed): r for r in self.read()}
        self.write(list(self.done.values()))  # without a line that was cut off

    def read(self) -> Iterator[Record]:
        """Yield the records of complete lines.

        Raises:
            FileError: If one is damaged.
        """
        if not self.path.exists():
            return
        text = read_text(self.path)
        whole = text[: text.rfind("\n") + 1].splitlines()
        if whole and whole[0].split(",") != self.names:
            raise FileError(f"{self.path}:1: must name the columns of cells, got {whole[0]!r:.80}")
        for number, row in enumerate(csv.DictReader(whole), start=2):
            try:
                values = {f.name: self.kinds[str(f.type)](row[f.name]) for f in fields(Record)}
            except (KeyError, TypeError, ValueError) as error:
                raise FileError(f"{self.path}:{number}: must be a cell, got {row!r:.80}") from error
            yield Record(**values)

    def write(self, records: Sequence[Record]) -> None:
        """Write the table, whole or not at all."""
        table = io.StringIO()
        writer = csv.DictWriter(table, self.names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(record) for record in records)
        write_atomically(self.path, table.getvalue())

    def append(self, record: Record) -> None:
        """Add a line."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.names, lineterminator="\n").writerow(asdict(record))
        self.done[Cell(record.world, record.curriculum, record.seed)] = record


def run_cells(
    agent: str,
    size: Size,
    cells: Sequence[Cell],
    file: CellFile,
    processes: int,
    num_made: Any = None,
) -> Iterator[int]:
    """Run the cells that are not done, adding each to `file`; yield how many are done.

    Args:
        agent: What learns, by name.
        size: Of all cells.
        cells: All, also those that are done.
        file: Of the cells done.
        processes: How many cells at a time.
        num_made: A shared value to which completions are added as they are made, if it is wanted.

    Raises:
        Stopped: If the user asked to stop; the other cells are done another time.
    """
    prepare(num_made)
    todo = [(size, cell) for cell in cells if cell not in file.done]
    done = len(cells) - len(todo)
    yield done
    for record in in_order(AGENTS[agent], todo, processes, prepare, (num_made,)):
        file.append(record)
        done += 1
        yield done
