"""The report of a game of SOAR: rewards, promotions and problem quality over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.quality import Quality, quality_of, rates, vendi_score
from edgewise.agents.soar.records import CHECKS, PROBLEMS, pair_of, read_game
from edgewise.agents.training.figures import save_figure
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.run_reading import METRICS, of_each_step
from edgewise.agents.training.sheet import Sheet

Row = Mapping[str, Any]
JUDGED = 64  # problems of an outer step


def write_report(folder: RunFolder, judge: str | None = None) -> Path:
    """Write report.md and report.png from the files of a run, and return the path of the first.

    Steps that have no metrics or no problems are in neither table nor picture.

    Raises:
        FileError: If one of its files is damaged.
        ValueError: If there is no such model as `judge`.
    """
    config = read_game(folder)
    metrics = of_each_step(folder.lines(METRICS, check=CHECKS[METRICS]))
    found = by_step(folder.lines(PROBLEMS, check=CHECKS[PROBLEMS]))
    told = [row for row in metrics if row["step"] in found]  # both are recorded
    written = [found[row["step"]] for row in told]
    given = (config["game"]["env"], judge, config["dtype"], config["device"])
    judged = quality_of(*given) if written else None
    quality = [described(judged, pairs) for pairs in written]
    if told:
        draw(told, quality, config, folder.path / "report.png")
    text = "\n".join(
        [
            f"# SOAR, {config['preset']}, reward {config['reward']}, seed {config['seed']}",
            "",
            *played(config, metrics, folder.read("stopped.json")),
            "",
            *tabulated(told, quality, written),
            "![rewards, promotions and problems](report.png)" if told else nothing(metrics),
            "",
        ]
    )
    folder.write_text("report.md", text)
    return folder.path / "report.md"


def nothing(metrics: Sequence[Row]) -> str:
    """Return what a report without table and picture says."""
    return "The problems of no step are recorded." if metrics else "No step was done."


def by_step(records: Any) -> dict[int, list[Pair]]:
    """Group problems by outer step."""
    steps: dict[int, list[Pair]] = {}
    for record in records:
        steps.setdefault(record["step"], []).append(pair_of(record))
    return steps


def described(judged: Quality | None, pairs: Sequence[Pair]) -> dict[str, float]:
    """Return diversity, and the judgement of the first problems if there is a judge."""
    found = {"vendi": vendi_score([pair.question for pair in pairs])}
    if judged is not None:
        found |= rates(judged(pairs[:JUDGED]))
    return found


def played(config: Row, metrics: Sequence[Row], stopped: Row | None) -> list[str]:
    """Return lines on the game and how it ended."""
    soar = config["game"]["soar"]
    seconds = sum(m["time/step_seconds"] for m in metrics)
    promoted = [m["step"] for m in metrics if m.get("promoted")]
    lines = [
        f"- model {config['game']['agent']}, problems of {config['game']['env']}",
        f"- {len(metrics)} of {soar['num_steps']} outer steps of {soar['num_datasets']} data sets of "
        f"{soar['dataset_size']} problems, {soar['num_students']} students each, in {seconds:,.0f} s",
        f"- promotions after steps {', '.join(map(str, promoted)) or 'none'}, at a moving average "
        f"above {soar['threshold']}",
    ]
    return [*lines, f"- ended early: {stopped['why']}"] if stopped else lines


def tabulated(
    metrics: Sequence[Row], quality: Sequence[Row], written: Sequence[Sequence[Pair]]
) -> list[str]:
    """Return a table of the run in five parts, and examples of the last problems."""
    if not metrics:
        return []
    columns = [key for key in ("vendi", "well_posed", "correct") if key in quality[0]]
    table = []
    for part in np.array_split(np.arange(len(metrics)), min(5, len(metrics))):
        rows = [metrics[place] for place in part]
        means = [np.mean([m[key] for m in rows]) for key in ("reward", "best_reward")]
        means.append(np.mean([m["accepted_ratio"] for m in rows]))
        means += [np.mean([quality[place][key] for place in part]) for key in columns]
        table.append(
            [f"{rows[0]['step']} to {rows[-1]['step']}", *(f"{mean:.3f}" for mean in means)]
        )
    examples = [f"    {pair.question[:200]!r} -> {pair.answer!r}" for pair in written[-1][:5]]
    header = ["outer steps", "reward", "best of g", "accepted", *columns]
    lines = Sheet("", header, table).markdown()
    return [*lines, "", "The first problems of the last step:", "", *examples, ""]


def draw(metrics: Sequence[Row], quality: Sequence[Row], config: Row, path: Path) -> None:
    """Plot rewards with promotions, the baseline, and problem quality."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes: Any = figure.subplots(2, 2, sharex=True)
    steps = [m["step"] for m in metrics]
    soar = config["game"]["soar"]
    rewards = np.array([m["reward"] for m in metrics])
    window = soar["window"]
    averages = [rewards[max(0, i + 1 - window) : i + 1].mean() for i in range(len(rewards))]
    axes[0, 0].plot(steps, rewards, ".", label="mean of the data sets")
    axes[0, 0].plot(steps, [m["best_reward"] for m in metrics], ".", alpha=0.4, label="best")
    axes[0, 0].plot(steps, averages, label=f"mean of {window} steps")
    axes[0, 0].axhline(soar["threshold"], color="grey", linewidth=0.8, label="threshold")
    label(axes[0, 0], "teacher reward")
    before = [m.get("baseline_accuracy", float("nan")) for m in metrics]
    axes[0, 1].plot(steps, before, label="baseline, hard training problems")
    label(axes[0, 1], "greedy accuracy")
    axes[1, 0].plot(steps[: len(quality)], [row["vendi"] for row in quality])
    label(axes[1, 0], "Vendi score of the questions")
    axes[1, 1].plot(steps, [m["accepted_ratio"] for m in metrics], label="accepted")
    for key, name in (("well_posed", "well posed"), ("correct", "right answer")):
        if key in quality[0]:
            axes[1, 1].plot(steps[: len(quality)], [row[key] for row in quality], label=name)
    label(axes[1, 1], "share of the problems")
    for axis in axes.flat:
        for metric in metrics:
            if metric.get("promoted"):
                axis.axvline(metric["step"], color="black", linestyle=":", linewidth=0.8)
    for axis in axes[1]:
        axis.set_xlabel("outer step (dotted: a promotion)")
    save_figure(figure, path, dpi=120)


def label(axis: Axes, text: str) -> None:
    """Label an axis, with a legend if it has several lines."""
    axis.set_ylabel(text)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize="small")
