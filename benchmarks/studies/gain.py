"""What training gains: pass@1 on test problems before and after, over seeds.

    python -m edgewise.benchmarks.studies.gain --curricula sec:temperature=0.2 --seeds 0 1 2 3 4

Each setting is a run of `edgewise train` with the defaults of its model; a setting that is done is
not done again, and one that was stopped goes on. The last checkpoint is scored, not the best. All
runs start from one model, so what it scores before training is measured once and shared.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from scipy.stats import t as student

from edgewise.agents.training.config import TrainConfig
from edgewise.agents.training.display import score_line
from edgewise.agents.training.report import write_report
from edgewise.agents.training.run import begin, resume
from edgewise.agents.training.scores import LevelScore
from edgewise.files import read_json, write_atomically

Setting = Mapping[str, Any]
Record = dict[str, Any]
CONFIDENCE = 0.95
LINE_EVERY = 20  # steps


@dataclass(frozen=True)
class GainConfig:
    """Train over seeds, and print the gain of each level with its interval."""

    env: str = "Countdown-v0"
    """Environment id."""
    curricula: tuple[str, ...] = ("sec:temperature=0.2",)
    """Curricula to train under, each with every seed."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds of each curriculum; parts of them may be run at the same time."""
    agent: str = "seedling"
    """Model to start from."""
    num_steps: int | None = None
    """Training steps; by default the model's own number."""
    runs: Path = Path("runs/gain")
    """Folder of the runs."""
    output: Path = Path("benchmarks/results/gain.csv")
    """Table of the scores."""


def settings(config: GainConfig) -> list[Setting]:
    """Return a setting for each curriculum and seed."""
    return [
        {"curriculum": curriculum, "seed": seed}
        for curriculum in config.curricula
        for seed in config.seeds
    ]


def run(config: GainConfig, setting: Setting) -> list[Record]:
    """Train one setting, or go on with it; return a record for each level."""
    path = config.runs / f"{setting['curriculum'].replace(':', '_')}-s{setting['seed']}"
    if not (path / "after.json").is_file():
        training = resume(path) if path.exists() else begin(train_config(config, setting, path))
        training.folder.tell()
        shared = config.runs / "before.json"
        if shared.is_file():
            shutil.copy(shared, path)
        training.score("before.json", show)
        shutil.copy(path / "before.json", shared)
        for metrics in training.steps():
            if metrics["step"] % LINE_EVERY == 0:
                print(
                    f"{path} step {metrics['step']:.0f} reward {metrics['reward']:.3f}", flush=True
                )
        training.score("after.json", show)
        write_report(training.folder)
    before, after = (read_json(path / f"{when}.json") for when in ("before", "after"))
    return [
        {
            **setting,
            "level": one["level"],
            "ood": one["ood"],
            "before": one["pass_at_1"],
            "after": two["pass_at_1"],
            "pass_at_k_before": one["pass_at_k"],
            "pass_at_k_after": two["pass_at_k"],
        }
        for one, two in zip(before["levels"], after["levels"], strict=True)
    ]


def show(score: LevelScore) -> None:
    """Print the score of a level."""
    print(score_line(score), flush=True)


def train_config(config: GainConfig, setting: Setting, path: Path) -> TrainConfig:
    """Return the config of one setting."""
    return TrainConfig(
        env=config.env,
        agent=config.agent,
        num_steps=config.num_steps,
        output=path,
        **setting,
    )


def score(records: Sequence[Record]) -> float:
    """Return the mean gain in pass@1 over the training levels."""
    return float(np.mean([r["after"] - r["before"] for r in records if not r["ood"]]))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean with its 95 % interval of Student's t over seeds."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    reach = float(student.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return mean, mean - reach, mean + reach


def table(records: Sequence[Record]) -> list[str]:
    """Return Markdown: for each curriculum and level, before, after, and the gain over seeds."""
    lines = [
        "| curriculum | level | seeds | before | after | gain [95 % interval] |",
        "|---|---|---|---|---|---|",
    ]
    for curriculum in dict.fromkeys(r["curriculum"] for r in records):
        own = [r for r in records if r["curriculum"] == curriculum]
        for level in dict.fromkeys(r["level"] for r in own):
            rows = [r for r in own if r["level"] == level]
            name = f"{level}{' (OOD)' if rows[0]['ood'] else ''}"
            lines.append(line(curriculum, name, [[row] for row in rows]))
        by_seed = [
            [r for r in own if r["seed"] == seed and not r["ood"]]
            for seed in dict.fromkeys(r["seed"] for r in own)
        ]
        lines.append(line(curriculum, "mean of training levels", by_seed))
    return lines


def line(curriculum: str, name: str, groups: Sequence[Sequence[Record]]) -> str:
    """Return one row; `groups` has the records of each seed."""
    before, after = (
        float(np.mean([row[when] for group in groups for row in group]))
        for when in ("before", "after")
    )
    gains = [float(np.mean([row["after"] - row["before"] for row in group])) for group in groups]
    mean, low, high = interval(gains)
    return (
        f"| {curriculum} | {name} | {len(groups)} | {before:.3f} | {after:.3f} "
        f"| {mean:+.3f} [{low:+.3f}, {high:+.3f}] |"
    )


def main() -> None:
    """Run all settings, and write and print the table."""
    config = tyro.cli(GainConfig)
    records = [record for setting in settings(config) for record in run(config, setting)]
    config.output.parent.mkdir(parents=True, exist_ok=True)
    content = io.StringIO(newline="")
    writer = csv.DictWriter(content, list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    write_atomically(config.output, content.getvalue())
    text = "\n".join(table(records))
    write_atomically(config.output.with_suffix(".md"), text + "\n")
    print(text)


if __name__ == "__main__":
    main()
