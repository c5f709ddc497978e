"""The suites that curricula are compared on: the tasks of a paper, and plans for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgewise.benchmarks.studies.plan import Plan
from edgewise.errors import unknown
from edgewise.wrappers.rules.catalogue import split_names

BASELINE = "random"
COUNTDOWN, PUZZLES = "seedling:countdown", "seedling:puzzles"


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
