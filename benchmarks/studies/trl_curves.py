"""The learning curve of our GRPO against that of TRL's GRPOTrainer, over paired seeds.

    python -m edgewise.benchmarks.studies.trl_curves

Both start from the seedling and have the same problems in the same order, rewards, loss (the mean
over all tokens), learning rate and float32 weights; a seed is of the problems and of the sampled
tokens, which the two draw differently. What remains different: TRL adds 1e-4 to a group's standard
deviation, ours 1e-6. Both models are scored by one function on the same test problems. What is in the
table already is not run again, so a run that was stopped goes on.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure

from edgewise.agents.algorithms import grpo
from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.training.evaluation import EvaluationPlan, as_records, evaluate
from edgewise.agents.training.figures import save_figure
from edgewise.benchmarks.speed.training import MAX_TOKENS, make_envs, posed, rewarded, trl_trainer
from edgewise.benchmarks.studies.gain import interval
from edgewise.files import write_atomically
from edgewise.vector_env import unwrap_vector

Record = dict[str, Any]
TRAINERS = ("edgewise", "trl")
SMOOTH = 5  # steps that the figure averages


@dataclass(frozen=True)
class CurvesConfig:
    """Train the seedling with both trainers over seeds, and compare what they learn."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds, each for both trainers."""
    num_steps: int = 40
    """Training steps of 8 problems with 8 completions each."""
    learning_rate: float = 2e-4
    """Learning rate of AdamW; the default is the seedling's own."""
    num_problems: int = 200
    """Test problems of each level that is trained on."""
    num_samples: int = 2
    """Completions of each test problem."""
    output: Path = Path("benchmarks/results/trl_curves.csv")
    """Table of the rewards; the summary and the figure are written beside it."""


def run(config: CurvesConfig, trainer: str, seed: int) -> list[Record]:
    """Train once; return a record for each step, the last of which has the test score."""
    policy = load_policy("seedling")
    rewards = (
        train(config, policy, seed) if trainer == "edgewise" else train_trl(config, policy, seed)
    )
    rows: list[Record] = [
        {"trainer": trainer, "seed": seed, "step": step, "reward": reward, "test": ""}
        for step, reward in enumerate(rewards, start=1)
    ]
    rows[-1]["test"] = tested(config, policy)
    return rows


def train(config: CurvesConfig, policy: TransformersPolicy, seed: int) -> list[float]:
    """Train with our loop, and return the mean reward of each step."""
    envs = make_envs(policy, informative=False)
    envs.reset(seed=seed)
    hyperparameters = grpo.GRPOConfig(
        num_steps=config.num_steps,
        learning_rate=config.learning_rate,
        sampling=Sampling(MAX_TOKENS),
        seed=seed,
    )
    state = grpo.start(policy, hyperparameters)
    return [metrics["reward"] for metrics in grpo.train(envs, policy, hyperparameters, state)]


def train_trl(config: CurvesConfig, policy: TransformersPolicy, seed: int) -> list[float]:
    """Train with TRL's loop on the problems that ours draws, and return each step's mean reward."""
    from transformers import TrainerCallback

    drawn, envs = (make_envs(policy, informative=False) for _ in range(2))
    drawn.reset(seed=seed)
    rows = [row for _ in range(config.num_steps) for row in posed(*drawn.reset())]
    heard: list[float] = []

    def reward(completions: list[str], **columns: Any) -> list[float]:
        rewards = rewarded(envs, completions, columns)
        heard.append(float(np.mean(rewards)))
        return rewards

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        trl_trainer(
            policy,
            rows,
            reward,
            TrainerCallback(),
            output_dir=folder,
            bf16=False,
            learning_rate=config.learning_rate,
            max_steps=config.num_steps,
            seed=seed,
        ).train()
    policy.model.eval()
    return heard


def tested(config: CurvesConfig, policy: TransformersPolicy) -> float:
    """Return the mean pass@1 of the training levels."""
    plan = EvaluationPlan(config.num_problems, config.num_samples, k=1)
    levels = unwrap_vector(make_envs(policy, informative=False)).arms
    scores = evaluate(
        policy,
        "Countdown-v0",
        plan,
        Sampling(MAX_TOKENS),
        levels=[arm["level"] for arm in levels],
        render=policy.render,
        preset="seedling",
    )
    mean: float = as_records(scores)["mean"]
    return mean


def summary(config: CurvesConfig, before: float, records: Sequence[Record]) -> list[str]:
    """Return Markdown: what each trainer reaches, and the paired difference."""
    reached: dict[str, dict[str, list[float]]] = {}  # of each measure and trainer, over seeds
    for trainer in TRAINERS:
        for seed in config.seeds:
            own = [r for r in records if r["trainer"] == trainer and r["seed"] == seed]
            rewards = [float(r["reward"]) for r in own]
            for name, value in (
                ("pass@1 on test problems after training", float(own[-1]["test"])),
                ("reward, mean of all steps", float(np.mean(rewards))),
                ("reward, mean of the last quarter", float(np.mean(rewards[-len(own) // 4 :]))),
            ):
                reached.setdefault(name, {}).setdefault(trainer, []).append(value)
    lines = [
        f"pass@1 before training {before:.3f}; {config.num_steps} steps, seeds {list(config.seeds)}",
        "",
        "| | edgewise | TRL | difference [95 % interval, paired seeds] |",
        "|---|---|---|---|",
    ]
    for name, values in reached.items():
        ours, theirs = (np.array(values[trainer]) for trainer in TRAINERS)
        mean, low, high = interval((ours - theirs).tolist())
        lines.append(
            f"| {name} | {ours.mean():.3f} | {theirs.mean():.3f} "
            f"| {mean:+.3f} [{low:+.3f}, {high:+.3f}] |"
        )
    return lines


def draw(config: CurvesConfig, records: Sequence[Record], path: Path) -> None:
    """Draw the reward of each trainer by step: the mean over seeds, and its least and most."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    window = np.ones(SMOOTH) / SMOOTH
    for trainer in TRAINERS:
        curves = np.array(
            [
                np.convolve(
                    [
                        float(r["reward"])
                        for r in records
                        if r["trainer"] == trainer and r["seed"] == seed
                    ],
                    window,
                    mode="valid",
                )
                for seed in config.seeds
            ]
        )
        steps = np.arange(SMOOTH, config.num_steps + 1)
        (line,) = axes.plot(steps, curves.mean(axis=0), label=trainer)
        axes.fill_between(
            steps, curves.min(axis=0), curves.max(axis=0), color=line.get_color(), alpha=0.15
        )
    axes.set_xlabel("step")
    axes.set_ylabel(f"reward, mean of {SMOOTH} steps")
    axes.legend()
    save_figure(figure, path)


def read(path: Path) -> list[Record]:
    """Return the records of `path`, or none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{**row, "seed": int(row["seed"])} for row in csv.DictReader(file)]


def write(path: Path, records: Sequence[Record]) -> None:
    """Write the table, whole or not at all."""
    table = StringIO(newline="")
    writer = csv.DictWriter(table, list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, table.getvalue())


def main() -> None:
    """Train what has not been trained, and write table, summary and figure."""
    config = tyro.cli(CurvesConfig)
    torch.set_num_threads(1)
    records = read(config.output)
    done = {(record["trainer"], record["seed"]) for record in records}
    for seed in config.seeds:
        for trainer in TRAINERS:
            if (trainer, seed) in done:
                continue
            records += run(config, trainer, seed)
            print(f"{trainer}, seed {seed}: {records[-1]['test']:.3f}", flush=True)
            write(config.output, records)
    before = tested(config, load_policy("seedling"))
    text = "\n".join(summary(config, before, records))
    write_atomically(config.output.with_suffix(".md"), text + "\n")
    draw(config, records, config.output.with_suffix(".png"))
    print(text)


if __name__ == "__main__":
    main()
