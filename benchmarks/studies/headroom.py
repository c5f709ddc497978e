"""Headroom: how far any choice of arms can be ahead of random arms, at equal generated tokens.

Every arm alone, every two-phase schedule of a coarse grid, and an oracle are screened with one seed
at a third of the tokens; random arms and the best run with paired seeds at all of them. The oracle
trains copies on every arm for some steps, and goes on with the arm after which the target's
validation accuracy is best; what the copies cost does not count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

from edgewise.agents.algorithms.rollout import Envs
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.training.config import TrainConfig, complete
from edgewise.agents.training.evaluation import EvaluationPlan, sample
from edgewise.agents.training.run import algorithm_of, base_envs, make_hyperparameters
from edgewise.agents.training.run_policy import make_policy
from edgewise.agents.training.run_prompts import sampling_of
from edgewise.benchmarks.studies.headroom_plan import (
    ORACLE,
    RANDOM,
    HeadroomConfig,
    Run,
    Schedule,
    finals,
    random_arms,
    schedules,
    screening,
)
from edgewise.benchmarks.studies.headroom_report import Record, best_of, report
from edgewise.env import evaluation_set
from edgewise.files import read_json, write_atomically
from edgewise.interrupts import Stopped, asked
from edgewise.wrappers import Subset, vector

SETTINGS = "headroom.json"  # of all runs in a folder
NOT_OF_RUNS = ("output", "num_best", "num_seeds", "threads")  # settings that change no run
Say = Callable[[str], None]


class Bed:
    """A model in training on the arms of its environments, from the start of a run."""

    def __init__(self, config: HeadroomConfig, run: Run) -> None:
        """Load the model and make the environments.

        Raises:
            ValueError: If any part of `config` is refused.
        """
        torch.set_num_threads(config.threads)
        self.config, self.run = config, run
        self.train = train_config(config, run)
        self.policy: TransformersPolicy = make_policy(self.train)
        envs = base_envs(self.train)
        base: Any = envs.unwrapped
        self.members, self.arms = base.env.members, base.arms
        self.rule = Subset(tuple(range(len(self.arms))))
        framed = vector.PromptFormat(envs, render=self.policy.render)
        self.envs: Envs = vector.Curriculum(framed, self.rule)
        self.sampling = sampling_of(self.train, self.members)
        self.hyperparameters = make_hyperparameters(self.train, self.sampling)
        self.algorithm = algorithm_of(self.train)
        self.state = self.algorithm.start(self.policy, self.hyperparameters)
        self.envs.reset(seed=run.seed)

    def steps(self, count: int | None = None) -> Iterator[float]:
        """Train on the arms of `rule`, and yield the tokens that each step generated."""
        done = 0
        with closing(
            self.algorithm.train(self.envs, self.policy, self.hyperparameters, self.state)
        ) as steps:
            for metrics in steps:
                yield metrics["num_tokens"] + metrics["num_extra_tokens"]
                done += 1
                if done == count:
                    return

    def score(self, split: str) -> list[float]:
        """Return the accuracy on each arm of the target, each problem answered once."""
        size = self.config.test_problems if split == "test" else self.config.validation_problems
        found = []
        for arm in self.config.target or range(len(self.arms)):
            place, level = self.arms[arm].get("env", 0), self.arms[arm]["level"]
            env_id = self.train.env.split(",")[place]
            options = {**self.train.keywords, "preset": self.train.preset}
            protocol = self.members[place].preset.protocol
            answers = sample(
                problems_of(env_id, json.dumps(options), split, level, size),
                1,
                self.policy,
                env_id,
                options,
                EvaluationPlan(split=split),
                replace(self.sampling, temperature=protocol.temperature),
                torch.Generator().manual_seed(1_000 + arm),
                self.policy.render,
            )
            found.append(float(answers["correct"].mean()))
        return found

    @contextmanager
    def copied(self) -> Iterator[None]:
        """Undo at the end whatever training the block does."""
        weights = [parameter.detach().clone() for parameter in self.policy.parameters()]
        states = deepcopy((self.state.state_dict(), self.envs.state_dict()))  # type: ignore[attr-defined]
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, weight in zip(self.policy.parameters(), weights, strict=True):
                    parameter.copy_(weight)
            self.state.load_state_dict(states[0])
            self.envs.load_state_dict(states[1])  # type: ignore[attr-defined]

    def best_arm(self) -> int:
        """Return the arm after some steps of which the target's validation accuracy is best."""
        means = []
        for arm in range(len(self.arms)):
            if asked():
                raise Stopped
            with self.copied():
                self.rule.arms = (arm,)
                for _ in self.steps(self.config.probe_steps):
                    pass
                means.append(mean(self.score("validation")))
        return means.index(max(means))


@cache
def problems_of(
    env_id: str, options: str, split: str, level: int, count: int
) -> list[dict[str, Any]]:
    """Return the first problems of a level; `options` are keywords of the environment, JSON."""
    env = gym.make(env_id, split=split, allow_ood=True, **json.loads(options))
    return evaluation_set(env, level, count)


def mean(values: list[float]) -> float:
    """Return the mean of at least one value."""
    return sum(values) / len(values)


def train_config(config: HeadroomConfig, run: Run) -> TrainConfig:
    """Return what `edgewise train` would be given."""
    given = {
        name: getattr(config, name)
        for name in (
            "env",
            "agent",
            "preset",
            "levels",
            "env_options",
            "algorithm",
            "num_problems",
            "group_size",
            "threads",
        )
    }
    rate = run.learning_rate
    own = {"num_steps": config.num_tokens, "curriculum": RANDOM, "seed": run.seed}
    return complete(TrainConfig(**given, **own, learning_rate=rate, evaluate=False))


def run_once(config: HeadroomConfig, run: Run) -> dict[str, Any]:
    """Train under one schedule until the tokens are used; return the record of the run.

    Raises:
        Stopped: If the user asked to stop; the run begins anew another time.
    """
    bed = Bed(config, run)
    budget, used, num_steps = config.num_tokens * run.share, 0.0, 0
    start = bed.score("test") if run.phase == "final" else []
    looks = [(0.0, mean(bed.score("validation")))]
    posed: list[int] = []  # the oracle's choices
    schedule = run.schedule
    bed.rule.arms = schedule.arms(0.0) if schedule.phases else (bed.best_arm(),)
    posed.append(bed.rule.arms[0])
    while used < budget:
        for tokens in bed.steps():
            before, used, num_steps = used, used + tokens, num_steps + 1
            if asked():
                raise Stopped
            if used >= budget or passed(before, used, config.num_tokens, config.num_looks):
                looks.append((used, mean(bed.score("validation"))))
            if schedule.phases:
                bed.rule.arms = schedule.arms(used / budget)
            elif used < budget and passed(before, used, budget, config.num_probes):
                break  # an iterator holds a batch's state between steps, so copies begin outside
            if used >= budget:
                break
        if not schedule.phases and used < budget:
            bed.rule.arms = (bed.best_arm(),)
            posed.append(bed.rule.arms[0])
    test = bed.score("test") if run.phase == "final" else []
    return {
        "schedule": schedule.name,
        "seed": run.seed,
        "learning_rate": bed.train.learning_rate,
        "steps": num_steps,
        "tokens": used,
        "looks": looks,
        **({"posed": posed} if schedule.name == ORACLE else {}),
        **({"start": mean(start), "test": mean(test), "levels": test} if test else {}),
    }


def passed(before: float, after: float, budget: float, parts: int) -> bool:
    """Return whether the tokens used have just come to another of so many equal parts."""
    return int(before * parts / budget) < int(after * parts / budget)


def run_all(config: HeadroomConfig, runs: list[Run], folder: Path, say: Say) -> list[Record]:
    """Return the records of runs, of which those that are done are read."""
    records: list[Record] = []
    for done, run in enumerate(runs, start=1):
        path = folder / f"{run.name}.json"
        if not path.is_file():
            if asked():
                raise Stopped
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(run_once(config, run), indent=1) + "\n")
        records.append(read_json(path))
        say(f"{run.phase} {done}/{len(runs)}  {run.name}  {records[-1]['looks'][-1][1]:.3f}")
    return records


def begin(config: HeadroomConfig, folder: Path) -> None:
    """Make the folder of the runs, or check that it has runs of the same settings.

    Raises:
        ValueError: If it has others, or something else.
    """
    record = json.loads(json.dumps(asdict(config), default=str))
    record = {name: value for name, value in record.items() if name not in NOT_OF_RUNS}
    path = folder / SETTINGS
    if path.is_file():
        before = read_json(path)
        changed = [name for name, value in record.items() if before.get(name) != value]
        if changed:
            raise ValueError(
                f"`output` must be new, or have runs of the same settings, got {folder} with another "
                f"{changed[0]}; name another folder"
            )
        return
    if folder.exists() and any(part.name != ".lock" for part in folder.iterdir()):
        raise ValueError(f"`output` must be new, or have runs of headroom, got {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(record, indent=1) + "\n")


def count_arms(config: HeadroomConfig) -> int:
    """Return the count of arms, after a look at everything that may be refused.

    Raises:
        ValueError: If any part of `config` is refused, or an arm is not a level.
    """
    bed = Bed(config, Run("screen", Schedule(RANDOM, ()), 0))
    if any("level" not in arm for arm in bed.arms):
        raise ValueError("`env` must have levels for arms, got other divisions")
    beyond = [arm for arm in config.target if arm not in range(len(bed.arms))]
    if beyond:
        raise ValueError(f"`target` must be in range({len(bed.arms)}), got {beyond[0]}")
    return len(bed.arms)


def choose_rate(config: HeadroomConfig, num_arms: int, folder: Path, say: Say) -> float | None:
    """Return the learning rate with the best last look under random arms."""
    rates = config.learning_rates
    if len(rates) < 2:
        return rates[0] if rates else None
    runs = [Run("rate", random_arms(num_arms), 0, 1.0, rate) for rate in rates]
    records = run_all(config, runs, folder, say)
    last = [record["looks"][-1][1] for record in records]
    return rates[last.index(max(last))]


def measure_headroom(config: HeadroomConfig, folder: Path, say: Say) -> str:
    """Do all runs that are not done, write report.md, and return its text."""
    num_arms = count_arms(config)
    begin(config, folder)
    rate = choose_rate(config, num_arms, folder, say)
    screened = run_all(config, screening(config, num_arms, rate), folder, say)
    tried = {s.name: s for s in (*schedules(num_arms, config.num_bands), Schedule(ORACLE, ()))}
    best = [tried[name] for name in best_of(screened, config.num_best)]
    records = run_all(config, finals(config, num_arms, best, rate), folder, say)
    names = f"Headroom of {config.env}, {config.agent}"
    text = report(records, screened, names)
    write_atomically(folder / "report.md", text)
    return text
