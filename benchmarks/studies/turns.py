"""Does training on episodes of several turns gain? A seedling on attempts and on interactive Blocksworld.

    edgewise pretrain --recipe recipes/turns.json --output runs/turns
    python -m edgewise.benchmarks.studies.turns runs/turns runs/turns.jsonl

Each line of the output is a task and a seed: the accuracy on the first test problems of the levels that are
trained on, before and after; the model is kept in a folder beside it. A file that exists is gone on with.
At the end the gains are told, with the interval of Student's t over seeds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro

from edgewise.agents import GRPOConfig, Sampling, load_policy, train
from edgewise.agents.algorithms.hyperparameters import Schedule
from edgewise.agents.policies.policy import ModelPolicy
from edgewise.agents.statistics import mean_interval
from edgewise.agents.training.evaluation import evaluate
from edgewise.agents.training.flags import EvaluationPlan
from edgewise.wrappers import vector


@dataclass(frozen=True)
class Task:
    """What is trained on, and how, unless flags say otherwise."""

    env: str
    levels: tuple[int, ...]
    options: Mapping[str, Any]  # keywords of the environment
    num_problems: int  # of a batch
    learning_rate: float
    lr_schedule: Schedule = "constant"


TASKS = {
    "attempts": Task(
        "Countdown-v0",
        levels=(2,),
        options={"attempts": {"most": 2, "discount": 0.5, "explain": True}},
        num_problems=32,
        learning_rate=4e-4,
        lr_schedule="linear",
    ),
    "Blocksworld": Task(
        "Blocksworld-v0",
        levels=(3,),
        options={"interactive": True, "max_turns": 6},
        num_problems=12,
        learning_rate=2e-4,
    ),
}


@dataclass(frozen=True)
class Study:
    """A seedling, and how it is trained."""

    model: tyro.conf.Positional[Path]
    """Folder of the seedling."""
    output: tyro.conf.Positional[Path]
    """File of the results, JSON lines."""
    tasks: tuple[str, ...] = tuple(TASKS)
    """What is trained on: attempts, Blocksworld."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of training."""
    num_steps: int = 100
    """Steps of GRPO."""
    num_problems: int | None = None
    """Problems in a batch; by default the task's."""
    group_size: int = 8
    """Episodes of each problem."""
    learning_rate: float | None = None
    """Learning rate of AdamW; by default the task's."""
    test_problems: int = 200
    """Test problems of each level."""
    test_samples: int = 4
    """Episodes of each of these."""


def accuracy(study: Study, task: Task, policy: ModelPolicy, sampling: Sampling) -> float:
    """Return the mean accuracy on the levels of a task; the same numbers are drawn every time."""
    plan = EvaluationPlan(num_problems=study.test_problems, num_samples=study.test_samples, k=1)
    options = {"preset": "seedling", "render": policy.render, **task.options}
    scores = evaluate(policy, task.env, plan, sampling, levels=task.levels, **options)
    return float(np.mean([score.pass_at_1 for score in scores]))


def run(study: Study, name: str, seed: int) -> dict[str, Any]:
    """Train on a task, and return the accuracy before and after."""
    task, policy = TASKS[name], load_policy(f"hf:{study.model}")
    envs = gym.make_vec(
        task.env,
        num_envs=(study.num_problems or task.num_problems) * study.group_size,
        group_size=study.group_size,
        preset="seedling",
        levels=task.levels,
        **task.options,
    )
    envs = vector.PromptFormat(envs, render=policy.render)
    envs.reset(seed=seed)
    sampling = Sampling(max_tokens=48)
    before = accuracy(study, task, policy, sampling)
    config = GRPOConfig(
        num_steps=study.num_steps,
        learning_rate=study.learning_rate or task.learning_rate,
        lr_schedule=task.lr_schedule,
        sampling=sampling,
        seed=seed,
    )
    rewards = [metrics["reward"] for metrics in train(envs, policy, config)]
    after = accuracy(study, task, policy, sampling)
    policy.save(study.output.with_suffix("") / f"{name}-{seed}")
    place = {"task": name, "seed": seed, "num_steps": study.num_steps}
    return {**place, "before": before, "after": after, "rewards": rewards}


def main(study: Study) -> None:
    """Run what is not in the output yet, and print the gains."""
    torch.set_num_threads(1)
    text = study.output.read_text(encoding="utf-8") if study.output.exists() else ""
    rows: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    done = {(row["task"], row["seed"]) for row in rows}
    for seed in study.seeds:
        for name in study.tasks:
            if (name, seed) not in done:
                rows.append(run(study, name, seed))
                with study.output.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    for name in study.tasks:
        own = [row for row in rows if row["task"] == name]
        gain = mean_interval([row["after"] - row["before"] for row in own])
        means = [float(np.mean([row[when] for row in own])) for when in ("before", "after")]
        print(f"{name}: {len(own)} seeds, {means[0]:.3f} to {means[1]:.3f}, gain {gain.signed}")


if __name__ == "__main__":
    main(tyro.cli(Study))
