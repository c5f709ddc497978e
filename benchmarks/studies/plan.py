"""What a comparison of curricula runs: a plan, written before its runs, its cells, and the suites of papers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewise.errors import unknown
from edgewise.fields import build
from edgewise.files import about, read_json
from edgewise.registration import check_id
from edgewise.wrappers.rules.catalogue import split_names

BASELINE = "random"
COUNTDOWN, PUZZLES = "seedling:countdown", "seedling:puzzles"


@dataclass(frozen=True)
class Plan:
    """What is run; `benchmarks/plans/` has one JSON file of each plan."""

    env: str  # an id, or several with commas between
    agents: Mapping[str, str]  # models to start from, as `--agent` takes them, by a short name
    rules: Mapping[str, Sequence[Mapping[str, Any]]]  # configurations: parts of a TrainConfig
    baseline: str  # the rule that the others are compared with
    transfer: Mapping[str, Mapping[str, Any]]  # configurations that train on one level each
    num_steps: int
    num_problems: int
    group_size: int
    num_tokens: int | None  # the budget of generated tokens at which runs are scored too, if any
    seeds: Sequence[int]
    transfer_seeds: Sequence[int]
    selection_agent: str
    selection_seeds: Sequence[int]
    validation_problems: int  # of each level, answered once
    test_problems: int  # of each level
    test_samples: int  # answers to each
    baselines: Mapping[str, str] = field(default_factory=dict)  # of rules that have another one
    train: Mapping[str, Any] = field(default_factory=dict)  # further parts of every TrainConfig
    tests: Sequence[str] = ()  # further environments that runs are tested on, out of distribution
    validation_split: str = "validation"  # "train" for a data set that has no such split
    num_looks: int = 0  # at a run on validation problems while it trains, the last at its end

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Read the plan in `path`.

        Raises:
            FileError: If it is none, or names an environment that is not registered.
        """
        record = read_json(path)
        with about(path):
            plan = build(cls, record)
            for env_id in (*plan.env.split(","), *plan.tests):
                check_id(env_id)
        return plan

    def baseline_of(self, rule: str) -> str | None:
        """Return the rule that `rule` is compared with, if there is one."""
        return None if rule == self.baseline else self.baselines.get(rule, self.baseline)

    @property
    def num_rollouts(self) -> int:
        """Return the budget of rollouts of each cell."""
        return self.num_steps * self.num_problems * self.group_size


@dataclass(frozen=True)
class Cell:
    """One run: a configuration, a model and a seed."""

    phase: str  # "selection", "comparison" or "transfer"
    rule: str
    agent: str  # its short name
    seed: int
    config: Mapping[str, Any] = field(compare=False)
    number: int = 0  # of the configuration

    @property
    def name(self) -> str:
        """Return the folder of the cell."""
        return f"{self.phase}/{self.rule}-{self.number}-{self.agent}-s{self.seed}"


def selection_cells(plan: Plan) -> list[Cell]:
    """Return the runs that choose the configuration of each rule, none where there is no choice."""
    if all(len(configs) == 1 for configs in plan.rules.values()):
        return []
    return [
        Cell("selection", rule, plan.selection_agent, seed, config, number)
        for seed in plan.selection_seeds
        for rule, configs in plan.rules.items()
        for number, config in enumerate(configs)
    ]


def comparison_cells(plan: Plan, chosen: Mapping[str, int]) -> list[Cell]:
    """Return the runs that are compared; all rules of a seed and model stand together."""
    return [
        Cell("comparison", rule, agent, seed, plan.rules[rule][number], number)
        for seed in plan.seeds
        for agent in plan.agents
        for rule, number in chosen.items()
    ]


def transfer_cells(plan: Plan) -> list[Cell]:
    """Return the runs on a single level each."""
    return [
        Cell("transfer", rule, agent, seed, config)
        for seed in plan.transfer_seeds
        for agent in plan.agents
        for rule, config in plan.transfer.items()
    ]


def start_cells(plan: Plan) -> list[Cell]:
    """Return a run of no step for each model: what it scores before training."""
    config = plan.rules[plan.baseline][0]
    return [Cell("start", plan.baseline, agent, 0, config) for agent in plan.agents]


@dataclass(frozen=True)
class Task:
    """One line of a paper's table."""

    env: str  # an id, or several with commas between, one arm for each level of each
    agent: str | None  # that starts, unless another is asked for; None if no seedling knows it
    options: Mapping[str, Any] = field(default_factory=dict)  # keywords of the environment
    tests: tuple[str, ...] = ()  # further environments that runs are tested on
    validation_split: str = "validation"


@dataclass(frozen=True)
class Suite:
    """A comparison of a paper."""

    tasks: Mapping[str, Task]
    curricula: str  # that the paper compares
    hardest: bool  # whether the table shows the hardest training level, and not the mean of all


SUITES = {
    "sec": Suite(
        tasks={
            "Countdown": Task("Countdown-v0", COUNTDOWN),
            "Zebra": Task("Zebra-v0", PUZZLES),
            "ARC-1D": Task("ARC1D-v0", PUZZLES),
            "SEC-2D": Task("Countdown-v0,Zebra-v0,ARC1D-v0", PUZZLES),
            "Mathematics": Task(
                "MATH-v0", None, {"partition": "sec"}, ("AMC-v0", "AIME24-v0"), "train"
            ),
        },
        curricula="random,ordered,sec:temperature=0.2",
        hardest=False,
    ),
    "e2h": Suite(
        tasks={
            "Countdown": Task("Countdown-v0", COUNTDOWN),
            "Blocksworld": Task("Blocksworld-v0", PUZZLES),
        },
        curricula="random,e2h-classic,e2h-cosine,e2h-gaussian",
        hardest=True,
    ),
}


@dataclass(frozen=True)
class Size:
    """Sizes that all cells of a comparison share; cells of different sizes do not mix."""

    num_steps: int = 60
    num_problems: int = 16
    group_size: int = 8
    learning_rates: tuple[float, ...] = (2e-4,)
    validation_problems: int = 100
    test_problems: int = 200
    test_samples: int = 1
    num_looks: int = 4
    agent: str | None = None  # for all tasks
    train: Mapping[str, Any] | None = None  # further parts of every TrainConfig

    def __post_init__(self) -> None:
        """Check every number."""
        for name, value in vars(self).items():
            if isinstance(value, int) and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")
        if not self.learning_rates:
            raise ValueError("`learning_rates` must have at least one, got none")


def suite_of(name: str) -> Suite:
    """Return a suite.

    Raises:
        ValueError: If there is none of this name.
    """
    if name not in SUITES:
        raise ValueError(unknown("suite", name, SUITES))
    return SUITES[name]


def tasks_of(suite: Suite, names: str | None) -> dict[str, Task]:
    """Return the tasks that are named, with commas between, or all that a seedling can begin.

    Raises:
        ValueError: If there is none of a name.
    """
    if names is None:
        return {name: task for name, task in suite.tasks.items() if task.agent is not None}
    chosen = [part.strip() for part in names.split(",")]
    for name in chosen:
        if name not in suite.tasks:
            raise ValueError(unknown("task", name, suite.tasks))
    return {name: suite.tasks[name] for name in chosen}


def listed(text: str) -> list[str]:
    """Return the rules or algorithms that stand between the commas of `text`, each once.

    >>> listed("sec:temperature=0.2, subset:arms=[1,2],sec:temperature=0.2")
    ['sec:temperature=0.2', 'subset:arms=[1,2]']
    """
    return list(dict.fromkeys(split_names(text)))


def plan_of(
    task: Task, curricula: Sequence[str], algorithms: Sequence[str], num_seeds: int, size: Size
) -> Plan:
    """Return the runs of one task: every curriculum with every algorithm, in paired seeds from 1.

    Each is compared with random under its algorithm. Where there are several learning rates, each rule
    has its own, the best of seed 0 on validation problems.

    Raises:
        ValueError: If no model is given for a task that no seedling knows.
    """
    agent, train = size.agent or task.agent, dict(size.train or {})
    if agent is None:
        raise ValueError(
            f"`agent` must be given for {task.env}, which no seedling knows; name a model, such as "
            "hf:Qwen/Qwen2.5-3B"
        )
    if task.options:
        train["env_options"] = json.dumps(task.options)
    rules: dict[str, list[dict[str, Any]]] = {
        rule_name(algorithm, curriculum): [
            {"curriculum": curriculum, "algorithm": algorithm, "learning_rate": rate}
            for rate in size.learning_rates
        ]
        for algorithm in algorithms
        for curriculum in curricula
    }
    baseline = rule_name(algorithms[0], BASELINE)
    others = {
        rule_name(algorithm, curriculum): rule_name(algorithm, BASELINE)
        for algorithm in algorithms[1:]
        for curriculum in curricula
        if curriculum != BASELINE
    }
    return Plan(
        env=task.env,
        agents={"start": agent},
        rules=rules,
        baseline=baseline,
        baselines=others,
        transfer={},
        num_steps=size.num_steps,
        num_problems=size.num_problems,
        group_size=size.group_size,
        num_tokens=None,
        seeds=range(1, num_seeds + 1),
        transfer_seeds=(),
        selection_agent="start",
        selection_seeds=(0,),
        validation_problems=size.validation_problems,
        test_problems=size.test_problems,
        test_samples=size.test_samples,
        train=train,
        tests=task.tests,
        validation_split=task.validation_split,
        num_looks=size.num_looks,
    )


def rule_name(algorithm: str, curriculum: str) -> str:
    """Name a curriculum with an algorithm in tables and folders."""
    return f"{algorithm} {curriculum}"
