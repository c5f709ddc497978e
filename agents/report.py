"""The report of a run: scores before and after, and the curves of training, as report.md and .png."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edgewise.agents.run_folder import RunFolder

WINDOW = 10  # steps that a curve is averaged over, at the most


def write_report(folder: RunFolder) -> Path:
    """Write report.md and report.png from the files of a run, and return the path of the first."""
    config = folder.read("config.json")
    metrics = list(folder.lines("metrics.jsonl"))
    if metrics:
        draw(metrics, config["arms"], folder.path / "report.png")
    text = "\n".join(
        [
            f"# {config['env']}, {config['curriculum']}, {config['algorithm']}, seed {config['seed']}",
            "",
            *described(config, metrics),
            "",
            *scored(folder.read("before.json"), folder.read("after.json")),
            "![training curves](report.png)" if metrics else "No step was done.",
            "",
        ]
    )
    partial = folder.path / "report.md.partial"
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, folder.path / "report.md")
    return folder.path / "report.md"


def described(config: Mapping[str, Any], metrics: Sequence[Mapping[str, float]]) -> list[str]:
    """Return what was run: model, size, budget, time."""
    rollouts = sum(
        config["num_problems"] * config["group_size"] + m["num_extra_rollouts"] for m in metrics
    )
    tokens = sum(m["num_tokens"] + m["num_extra_tokens"] for m in metrics)
    seconds = sum(m["time/step_seconds"] for m in metrics)
    lines = [
        f"- model {config['agent']}, preset {config['preset']}, learning rate {config['learning_rate']:g}",
        f"- {len(metrics)} of {config['num_steps']} steps of {config['num_problems']} problems, "
        f"{config['group_size']} completions each",
        f"- {rollouts:,.0f} completions, {tokens:,.0f} tokens in {seconds:,.0f} s of training",
    ]
    if metrics and "arm/0_probability" in metrics[-1]:
        distance = np.mean([total_variation(probabilities(m)) for m in metrics])
        lines.append(f"- arm probabilities were {distance:.3f} from uniform on average")
        if distance < 0.1:
            lines.append("  (total variation below 0.1: hardly another curriculum than random)")
    return lines


def scored(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """Return the table of scores, as far as they are known."""
    if before is None or after is None:
        return ["Not evaluated both before and after.", ""]
    one = before["levels"][0]
    lines = [
        f"pass@1 is the mean over {one['num_problems']} test problems of {one['num_samples']} "
        f"samples each, with a 95 % interval over problems; pass@{one['k']} is over the first "
        f"{one['num_pass_k']} problems.",
        "",
        f"| level | pass@1 before | after | gain | pass@{one['k']} before | after | format | truncated |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for old, new in zip(before["levels"], after["levels"], strict=True):
        lines.append(
            f"| {old['env']} {old['level']}{' (OOD)' if old['ood'] else ''} | {interval(old)} | {interval(new)} "
            f"| {new['pass_at_1'] - old['pass_at_1']:+.3f} | {old['pass_at_k']:.3f} "
            f"| {new['pass_at_k']:.3f} | {new['format_rate']:.3f} | {new['truncated']:.3f} |"
        )
    gain = after["mean"] - before["mean"]
    lines.append(
        f"| mean of training levels | {before['mean']:.3f} | {after['mean']:.3f} | {gain:+.3f} | | | | |"
    )
    return [*lines, ""]


def interval(score: Mapping[str, Any]) -> str:
    """Return pass@1 and its interval."""
    return f"{score['pass_at_1']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"


def probabilities(metrics: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the probability of each arm at one step, (K,)."""
    found: list[float] = []
    while f"arm/{len(found)}_probability" in metrics:
        found.append(metrics[f"arm/{len(found)}_probability"])
    return np.array(found)


def total_variation(distribution: NDArray[np.float64]) -> float:
    """Return the total-variation distance of `distribution`, (K,), from uniform, in [0, 1]."""
    return float(np.abs(distribution - 1 / len(distribution)).sum() / 2)


def draw(metrics: Sequence[Mapping[str, float]], names: Sequence[str], path: Path) -> None:
    """Draw reward, accuracy per arm, arm probabilities and effective prompt ratio."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    reward, accuracy, arms, effective = figure.subplots(2, 2).flat
    steps = [m["step"] for m in metrics]
    curve(reward, metrics, "reward", "mean reward")
    curve(effective, metrics, "effective_prompt_ratio", "groups whose rewards differ", top=1.0)
    shares = np.array([probabilities(m) for m in metrics])  # (steps, K)
    names = names[: shares.shape[1]]  # none without a curriculum
    if names:
        arms.stackplot(steps, shares.T, labels=names, alpha=0.8)
        arms.legend(loc="lower left", fontsize=8)
    for arm, name in enumerate(names):
        curve(accuracy, metrics, f"arm/{arm}_accuracy", "accuracy of each arm", label=name, top=1.0)
    if names:
        accuracy.legend(fontsize=8)
    arms.set(title="arm probabilities", xlabel="step", ylim=(0, 1))
    figure.savefig(path, dpi=110)


def curve(
    axes: Axes,
    metrics: Sequence[Mapping[str, float]],
    name: str,
    title: str,
    label: str | None = None,
    top: float | None = None,
) -> None:
    """Draw one metric against the step, as a mean over a window of the steps that have it."""
    points = np.array([(m["step"], m[name]) for m in metrics if name in m]).reshape(-1, 2)
    width = min(WINDOW, 1 + len(points) // 4)
    if len(points):
        kernel = np.ones(width) / width
        smooth = np.convolve(points[:, 1], kernel, mode="valid")
        axes.plot(points[width - 1 :, 0], smooth, label=label)
    axes.set(title=title, xlabel="step", ylim=(0, top))
