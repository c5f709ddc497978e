"""What a comparison of curricula runs: a plan, written before its runs, and its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewise.fields import build
from edgewise.files import about, read_json
from edgewise.registration import check_id


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
