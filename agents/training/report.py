"""The report of a run: scores before and after, and the curves of training, as report.md and .png."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edgewise.agents.statistics import Estimate
from edgewise.agents.training import samples, trouble, validation
from edgewise.agents.training.figures import line_style, place_panels, save_figure, stack
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.run_reading import (
    num_arms,
    read_both,
    read_config,
    read_looks,
    read_metrics,
)
from edgewise.agents.training.sheet import Sheet, escape

WINDOW = 10  # steps that a curve is averaged over, at the most
DISTANCE = "distance_from_uniform"
SHOWN = 10  # validations in the table, the last ones
MARGIN = 0.03  # beside the ends of an axis, so that a curve at 0 or 1 is seen
OOD = " OOD: out of distribution, levels kept out of training."
TESTED = 0.1  # a rule whose mean distance is below was hardly another than Random


def write_report(folder: RunFolder) -> Path:
    """Write report.md and report.png from the files of a run, and return the path of the first."""
    config, metrics, looks = read_config(folder), read_metrics(folder), read_looks(folder)
    if metrics:
        draw(metrics, config["arms"], folder.path / "report.png", looks)
    text = "\n".join(
        [
            f"# {config['env']}, {config['curriculum']}, {config['algorithm']}, seed {config['seed']}",
            "",
            *described(config, metrics),
            *validated(config, looks),
            "",
            *troubled(trouble.signs(metrics, list(samples.read(folder)))),
            *scored(*read_both(folder)),
            "![training curves](report.png)" if metrics else "No step was done.",
            "",
        ]
    )
    folder.write_text("report.md", text)
    return folder.path / "report.md"


def described(config: Mapping[str, Any], metrics: Sequence[Mapping[str, float]]) -> list[str]:
    """Return lines on the model, size, budget and time."""
    rollouts, tokens, seconds = budget(config, metrics)
    lines = [
        f"- model {config['agent']}, preset {config['preset']}, learning rate {config['learning_rate']:g}",
        f"- {len(metrics)} of {config['num_steps']} steps of {config['num_problems']} problems, "
        f"{config['group_size']} completions each{sized(config)}",
        f"- {rollouts:,.0f} completions, {tokens:,.0f} tokens in {seconds:,.0f} s of training",
    ]
    distances = [m[DISTANCE] for m in metrics if DISTANCE in m]  # none of rules over problems
    if distances:
        mean = float(np.mean(distances))
        near = f"; within {TESTED} of Random, so no other rule was tested" if mean < TESTED else ""
        lines.append(
            f"- arm probabilities were {mean:.3f} from uniform in total variation, on average over "
            f"steps{near}"
        )
    return lines


def budget(
    config: Mapping[str, Any], metrics: Sequence[Mapping[str, float]]
) -> tuple[float, float, float]:
    """Return the completions, the tokens and the seconds of all steps, rejected groups included."""
    size = config["num_problems"] * config["group_size"]
    rollouts = sum(size + m["num_extra_rollouts"] for m in metrics)
    tokens = sum(m["num_tokens"] + m["num_extra_tokens"] for m in metrics)
    return rollouts, tokens, sum(m["time/step_seconds"] for m in metrics)


def validated(config: Mapping[str, Any], looks: Sequence[validation.Record]) -> list[str]:
    """Return lines on the best validation score, and on each of the last validations."""
    best = validation.best_of(looks)
    if best is None:
        return []
    early = validation.is_exhausted(looks, config.get("patience"))
    ended = f"; training ended after {config['patience']} without a better one" if early else ""
    rows = [
        [
            f"{look['step']}{' (best)' if look is best else ''}",
            f"{validation.score_of(look):.3f}",
            *(interval(level) for level in look["levels"]),
        ]
        for look in looks[-SHOWN:]
    ]
    levels = [
        f"{level['env']} {level['level']}{' (OOD)' if level['ood'] else ''}"
        for level in best["levels"]
    ]
    return [
        f"- best of {len(looks)} validations: {validation.score_of(best):.3f} at step {best['step']}, "
        f"whose model is in {validation.BEST}/{ended}",
        "",
        *Sheet("", ["step", "validation pass@1", *levels], rows).markdown(),
    ]


def troubled(signs: Sequence[str]) -> list[str]:
    """Return a list of signs of trouble, as text in Markdown; nothing without one."""
    if not signs:
        return []
    return ["Signs of trouble:", "", *(f"- {escape(sign)}" for sign in signs), ""]


def sized(config: Mapping[str, Any]) -> str:
    """Return what sized the groups of a run, if they differ."""
    allocation = config.get("allocation", "none")  # early runs have none
    return "" if allocation == "none" else f" on average, sized by {allocation}"


def scored(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """Return the table of scores, if the run was scored both before and after training."""
    if not (before and before["levels"]) or after is None:
        return ["Not evaluated both before and after.", ""]
    one = before["levels"][0]
    deep = [f"pass@{one['k']} before", "after"] if one["k"] > 1 else []
    rows = [
        [
            f"{old['env']} {old['level']}{' (OOD)' if old['ood'] else ''}",
            interval(old),
            interval(new),
            f"{new['pass_at_1'] - old['pass_at_1']:+.3f}",
            *(f"{score['pass_at_k']:.3f}" for score in (old, new) if deep),
            *(f"{new[name]:.3f}" for name in ("format_rate", "truncated")),
        ]
        for old, new in zip(before["levels"], after["levels"], strict=True)
    ]
    means = [
        f"{before['mean']:.3f}",
        f"{after['mean']:.3f}",
        f"{after['mean'] - before['mean']:+.3f}",
    ]
    header = ["level", "pass@1 before", "after", "gain", *deep, "format", "truncated"]
    rows.append(["mean of training levels", *means, *[""] * (len(deep) + 2)])
    first = f"; pass@{one['k']} is over the first {one['num_pass_k']} problems" if deep else ""
    ood = OOD if any(level["ood"] for level in before["levels"]) else ""
    return [
        f"pass@1 is the mean over {one['num_problems']} test problems of {one['num_samples']} "
        f"samples each, with a 95 % interval over problems{first}.{ood}",
        "",
        *Sheet("", header, rows).markdown(),
        "",
    ]


def interval(score: Mapping[str, Any]) -> str:
    """Format pass@1 with its interval."""
    return str(Estimate(score["pass_at_1"], score["low"], score["high"]))


def probabilities(metrics: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the probability of each arm at one step, (K,)."""
    return np.array([metrics[f"arm/{arm}_probability"] for arm in range(num_arms(metrics))])


def draw(
    metrics: Sequence[Mapping[str, float]],
    names: Sequence[str],
    path: Path,
    looks: Sequence[validation.Record] = (),
) -> None:
    """Plot reward, effective groups, accuracy, arm probabilities, level and distance from uniform.

    With validations, the scores of these too.
    """
    rows = 4 if looks else 3
    figure = Figure(figsize=(12, 10 * rows / 3))
    panels = figure.subplots(rows, 2)
    reward, effective, accuracy, arms, level, distance, *more = panels.flat
    if looks:
        draw_validations(more[0], more[1], looks)
    curve(reward, metrics, "reward", "mean reward")
    for name, label in (("", "in reward"), ("_correct", "in being right")):
        title = "groups whose completions differ"
        curve(effective, metrics, f"effective_prompt_ratio{name}", title, label=label, top=1.0)
    if effective.get_lines():
        effective.legend(fontsize=8)
    draw_arms(accuracy, arms, metrics, names)
    curve(level, metrics, "level", "mean level of the problems trained on", bottom=1.0)
    curve(distance, metrics, DISTANCE, "total variation of the arms from uniform", top=1.0)
    distance.axhline(TESTED, color="gray", linestyle=":")
    handles, labels = arms.get_legend_handles_labels()
    legend = None
    if labels:
        legend = figure.legend(handles[::-1], labels[::-1], loc="center right", fontsize=8)
    place_panels(figure, panels, legend)
    save_figure(figure, path)


def draw_validations(mean: Axes, levels: Axes, looks: Sequence[validation.Record]) -> None:
    """Plot the mean validation score, and that of each level with its interval."""
    steps = [look["step"] for look in looks]
    mean.plot(steps, [validation.score_of(look) for look in looks], marker=".")
    for place, rows in enumerate(zip(*(look["levels"] for look in looks), strict=True)):
        name, style = f"{rows[0]['env']} {rows[0]['level']}", line_style(place)
        levels.plot(steps, [row["pass_at_1"] for row in rows], marker=".", label=name, **style)
        low, high = ([row[end] for row in rows] for end in ("low", "high"))
        levels.fill_between(steps, low, high, color=style["color"], alpha=0.15)
    levels.legend(fontsize=8)
    mean.set(title="validation pass@1, mean of training levels", xlabel="step", ylim=(0, 1.02))
    levels.set(title="of each level, with 95 % intervals", xlabel="step", ylim=(0, 1.02))


def draw_arms(
    accuracy: Axes, arms: Axes, metrics: Sequence[Mapping[str, float]], names: Sequence[str]
) -> None:
    """Plot the accuracy of each arm, and the arm probabilities as stacked areas."""
    shares = np.array([probabilities(m) for m in metrics])  # (steps, K)
    names = names[: shares.shape[1]]  # none without a curriculum
    if names:
        steps = [m["step"] for m in metrics]
        stack(arms, steps, shares, names)
        arms.set_xlim(steps[0], max(steps[-1], steps[0] + 1))
    for arm in range(len(names)):
        title = "accuracy of each arm"
        curve(accuracy, metrics, f"arm/{arm}_accuracy", title, top=1.0, **line_style(arm))
    arms.set(title="arm probabilities", xlabel="step", ylim=(0, 1))


def curve(
    axes: Axes,
    metrics: Sequence[Mapping[str, float]],
    name: str,
    title: str,
    label: str | None = None,
    bottom: float = 0.0,
    top: float | None = None,
    **style: Any,
) -> None:
    """Plot one metric against the step, smoothed by a moving average, in a style of matplotlib."""
    points = np.array([(m["step"], m[name]) for m in metrics if name in m]).reshape(-1, 2)
    width = min(WINDOW, 1 + len(points) // 4)
    if len(points):
        kernel = np.ones(width) / width
        smooth = np.convolve(points[:, 1], kernel, mode="valid")
        axes.plot(points[width - 1 :, 0], smooth, label=label, **style)
        axes.set_ylim(bottom - MARGIN, None if top is None else top + MARGIN)
    axes.set(title=title, xlabel="step")
