"""Curricula in TRL's loop against the same in ours, over paired seeds.

    python -m edgewise.benchmarks.studies.trl_curricula

`CurriculumGRPOTrainer` and our GRPO start from the seedling and have the same rules, seeds of the draws,
loss, learning rate and float32 weights, so rules that ignore rewards pose the same problems in both.
What differs: the tokens that are sampled, and the 1e-4 that TRL adds to a group's standard deviation,
where ours adds 1e-6. Both are read from the records of their groups, and scored by one function on the
same test problems. What is in the table already is not run again, so a run that was stopped goes on.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgewise.agents.algorithms import grpo
from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.training.figures import save_figure
from edgewise.benchmarks.speed.training import GROUP_SIZE, MAX_TOKENS, NUM_PROBLEMS, make_envs
from edgewise.benchmarks.studies.gain import interval
from edgewise.benchmarks.studies.trl_curves import (
    SMOOTH,
    TRAINERS,
    CurvesConfig,
    read,
    tested,
    write,
)
from edgewise.files import read_jsonl, write_atomically
from edgewise.wrappers import make_rule, vector

Record = dict[str, Any]


@dataclass(frozen=True)
class CurriculaConfig(CurvesConfig):
    """Train the seedling under each curriculum with both trainers over seeds, and compare."""

    curricula: tuple[str, ...] = ("sec:temperature=0.2", "e2h-gaussian", "random")
    """Curricula, each with both trainers and all seeds."""
    output: Path = Path("benchmarks/results/trl_curricula.csv")
    """Table of rewards and levels; the summary and the figure are written beside it."""


def run(config: CurriculaConfig, trainer: str, curriculum: str, seed: int) -> list[Record]:
    """Train once; return a record for each step, the last of which has the test score."""
    policy = load_policy("seedling")
    rule = make_rule(curriculum, config.num_steps)
    envs = vector.with_rule(make_envs(policy, informative=False), rule)
    train = train_own if trainer == "edgewise" else train_trl
    settings = {"trainer": trainer, "curriculum": curriculum, "seed": seed}
    rows: list[Record] = [
        {**settings, "step": step, **earned(groups), "test": ""}
        for step, groups in enumerate(train(config, policy, envs, seed), start=1)
    ]
    rows[-1]["test"] = tested(config, policy)
    return rows


def earned(groups: Sequence[Record]) -> dict[str, float]:
    """Return the mean reward of the groups of a step, and their mean level."""
    levels = [json.loads(group["problem"])["level"] for group in groups]
    rewards = [group["rewards"] for group in groups]
    return {"reward": float(np.mean(rewards)), "level": float(np.mean(levels))}


def train_own(
    config: CurriculaConfig, policy: TransformersPolicy, envs: vector.Curriculum, seed: int
) -> Iterable[list[Record]]:
    """Train with our loop, and yield the records of the groups of each step."""
    envs.reset(seed=seed)
    envs.lesson.forget()
    hyperparameters = grpo.GRPOConfig(
        num_steps=config.num_steps,
        learning_rate=config.learning_rate,
        sampling=Sampling(MAX_TOKENS),
        seed=seed,
    )
    state = grpo.start(policy, hyperparameters)
    for _ in grpo.train(envs, policy, hyperparameters, state):
        yield envs.records()


def train_trl(
    config: CurriculaConfig, policy: TransformersPolicy, envs: vector.Curriculum, seed: int
) -> Iterable[list[Record]]:
    """Train with TRL's loop, and return the records of the groups of each step."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    trl: Any = import_module("trl")
    trainer: Any = import_module("edgewise.agents.integrations.trl").CurriculumGRPOTrainer
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        arguments = trl.GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            learning_rate=config.learning_rate,
            lr_scheduler_type="constant",
            loss_type="dapo",
            per_device_train_batch_size=NUM_PROBLEMS * GROUP_SIZE,
            num_generations=GROUP_SIZE,
            max_completion_length=MAX_TOKENS,
            max_steps=config.num_steps,
            seed=seed,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer(envs, policy.model, arguments, processing_class=policy.tokenizer).train()
        records = list(read_jsonl(Path(folder) / "groups.jsonl"))
    policy.model.eval()
    return [records[i : i + NUM_PROBLEMS] for i in range(0, len(records), NUM_PROBLEMS)]


def of_run(records: Sequence[Record], curriculum: str, trainer: str, seed: int) -> list[Record]:
    """Return the records of one run, by step."""
    run = {"trainer": trainer, "curriculum": curriculum, "seed": seed}
    return [record for record in records if run.items() <= record.items()]


def measures(rows: Sequence[Record]) -> dict[str, float]:
    """Return what a run comes to."""
    rewards, levels = ([float(row[name]) for row in rows] for name in ("reward", "level"))
    return {
        "pass@1 on test problems after training": float(rows[-1]["test"]),
        "reward, mean of all steps": float(np.mean(rewards)),
        "reward, mean of the last quarter": float(np.mean(rewards[-len(rewards) // 4 :])),
        "level posed, mean of all steps": float(np.mean(levels)),
    }


def summary(config: CurriculaConfig, before: float, records: Sequence[Record]) -> list[str]:
    """Return Markdown: what each curriculum reaches in both loops, and the paired difference."""
    lines = [
        f"pass@1 before training {before:.3f}; {config.num_steps} steps, seeds {list(config.seeds)}",
        "",
        "| curriculum | | edgewise | TRL | difference [95 % interval, paired seeds] |",
        "|---|---|---|---|---|",
    ]
    for curriculum in config.curricula:
        ours, theirs = (
            [measures(of_run(records, curriculum, trainer, seed)) for seed in config.seeds]
            for trainer in TRAINERS
        )
        for name in ours[0]:
            pairs = [(one[name], other[name]) for one, other in zip(ours, theirs, strict=True)]
            mean, low, high = interval([one - other for one, other in pairs])
            own, other = np.mean(pairs, axis=0)
            lines.append(
                f"| {curriculum} | {name} | {own:.3f} | {other:.3f} "
                f"| {mean:+.3f} [{low:+.3f}, {high:+.3f}] |"
            )
    return lines


def draw(config: CurriculaConfig, records: Sequence[Record], path: Path) -> None:
    """Draw reward and level of each curriculum and trainer by step, over seeds."""
    figure = Figure(figsize=(4 * len(config.curricula), 6), layout="constrained")
    grid = figure.subplots(2, len(config.curricula), sharex=True, sharey="row", squeeze=False)
    for row, name in enumerate(("reward", "level")):
        for axes, curriculum in zip(grid[row], config.curricula, strict=True):
            for trainer in TRAINERS:
                runs = [of_run(records, curriculum, trainer, seed) for seed in config.seeds]
                curve(axes, [[float(r[name]) for r in rows] for rows in runs], trainer)
            axes.set_title(curriculum if row == 0 else "")
        grid[row][0].set_ylabel(f"{name}, mean of {SMOOTH} steps")
    for axes in grid[1]:
        axes.set_xlabel("step")
    grid[0][0].legend()
    save_figure(figure, path)


def curve(axes: Axes, runs: Sequence[Sequence[float]], label: str) -> None:
    """Draw the mean over runs, and their least and most."""
    window = np.ones(SMOOTH) / SMOOTH
    smooth = np.array([np.convolve(values, window, mode="valid") for values in runs])
    steps = np.arange(SMOOTH, SMOOTH + smooth.shape[1])
    (line,) = axes.plot(steps, smooth.mean(axis=0), label=label)
    color = line.get_color()
    axes.fill_between(steps, smooth.min(axis=0), smooth.max(axis=0), color=color, alpha=0.15)


def main() -> None:
    """Train what has not been trained, and write table, summary and figure."""
    config = tyro.cli(CurriculaConfig)
    torch.set_num_threads(1)
    records = read(config.output)
    for seed, curriculum, trainer in product(config.seeds, config.curricula, TRAINERS):
        if of_run(records, curriculum, trainer, seed):
            continue
        records += run(config, trainer, curriculum, seed)
        print(f"{trainer}, {curriculum}, seed {seed}: {records[-1]['test']:.3f}", flush=True)
        write(config.output, records)
    before = tested(config, load_policy("seedling"))
    text = "\n".join(summary(config, before, records))
    write_atomically(config.output.with_suffix(".md"), text + "\n")
    draw(config, records, config.output.with_suffix(".png"))
    print(text)


if __name__ == "__main__":
    main()
