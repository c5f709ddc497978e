"""What a comparison found: tables for the terminal and for Markdown, and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from edgewise.agents.statistics import Estimate, mean_interval
from edgewise.agents.training.figures import save_figure
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.simulation.compare import BASELINE, Record
from edgewise.files import write_atomically
from edgewise.wrappers.rules.signal import Floats

METRICS = {  # fields of a record, and what they are called
    "auc_id": "area under curve",
    "final_id": "final, training arms",
    "final_ood": "final, OOD",
    "effective_prompt_ratio": "effective prompts",
    "extra_rollouts": "extra rollouts",
}
CLAIMED = ("auc_id", "final_id", "final_ood")  # what a curriculum may be better in
NOTES = """
Intervals are 95 %, of Student's t over seeds. The first table is of means over the worlds. Every
curriculum has the same budget of completions, those of rejected groups included, which are the
extra rollouts, as a share of all. Accuracies are exact means over all problems of an arm. The
intervals of the first table hold the differences between the learners, too; every curriculum meets
the same ones, so curricula are told apart by the second.

The second table has the paired difference from `random` in the final accuracy on the training arms,
with a `*` where its interval excludes 0, and in how many worlds the curriculum is better (+) and
worse (-) in each of three metrics by that test. It is not corrected for the number of comparisons.
A claim holds only if it holds in most worlds, and these are simulated: see `worlds.py` for what they
assume.
"""


class Results:
    """The records of all cells, which must be complete: every curriculum in every world and seed."""

    def __init__(self, records: Sequence[Record]) -> None:
        """Sort the records."""
        self.worlds = list(dict.fromkeys(r.world for r in records))
        self.curricula = list(dict.fromkeys(r.curriculum for r in records))
        self.seeds = sorted({r.seed for r in records})
        self.records = {(r.curriculum, r.world, r.seed): r for r in records}

    def values(self, curriculum: str, metric: str) -> Floats:
        """Return a metric of a curriculum, (worlds, seeds)."""
        return np.array(
            [
                [getattr(self.records[curriculum, world, seed], metric) for seed in self.seeds]
                for world in self.worlds
            ]
        )

    def ranked(self) -> list[str]:
        """Return the curricula by area under the curve, the largest first."""
        areas = {name: -self.values(name, "auc_id").mean() for name in self.curricula}
        return sorted(self.curricula, key=lambda name: areas[name])

    def differences(self, curriculum: str, metric: str) -> list[Estimate]:
        """Return the mean paired difference from Random in each world, with its interval."""
        paired = self.values(curriculum, metric) - self.values(BASELINE, metric)
        return [mean_interval(row) for row in paired]

    def wins(self, curriculum: str, metric: str) -> tuple[int, int]:
        """Return in how many worlds the curriculum is better than Random, and in how many worse."""
        found = self.differences(curriculum, metric)
        return sum(one.low > 0 for one in found), sum(one.high < 0 for one in found)


def titled(results: Results) -> str:
    """Describe what the means are taken over."""
    return f"means over {len(results.worlds)} worlds and {len(results.seeds)} seeds"


def overall(results: Results) -> Sheet:
    """Return every metric of every curriculum, as means over worlds."""
    rows = []
    for name in results.ranked():
        cells = []
        for metric in METRICS:
            found = mean_interval(results.values(name, metric).mean(axis=0))
            cells.append(f"{found.value:.3f} ± {found.half_width:.3f}")
        rows.append([name, *cells])
    return Sheet(titled(results), ["curriculum", *METRICS.values()], rows)


def by_world(results: Results) -> Sheet:
    """Return the difference from Random in each world, and in how many it is one."""
    rows = []
    for name in results.ranked():
        if name == BASELINE:
            continue
        cells = [
            f"{one.value:+.3f} ± {one.half_width:.3f}{'*' if one.low > 0 or one.high < 0 else ''}"
            for one in results.differences(name, "final_id")
        ]
        counts = [results.wins(name, metric) for metric in CLAIMED]
        rows.append([name, *cells, *(f"+{better} -{worse}" for better, worse in counts)])
    header = ["curriculum", *results.worlds, "area", "final", "OOD"]
    return Sheet("difference from random in final accuracy, training arms", header, rows)


def claims(results: Results) -> list[str]:
    """Return a sentence for each metric: which curricula beat Random in most worlds."""
    sentences = []
    for metric in CLAIMED:
        most = [
            name
            for name in results.ranked()
            if name != BASELINE and 2 * results.wins(name, metric)[0] > len(results.worlds)
        ]
        found = ", ".join(most) or "none"
        sentences.append(f"Better than random in most worlds, {METRICS[metric]}: {found}.")
    return sentences


def write_report(folder: Path, results: Results, config: Mapping[str, Any]) -> Path:
    """Write report.md and report.png, and return the path of the first."""
    draw(results, folder / "report.png")
    sheets = (overall(results), by_world(results))
    sizes = ", ".join(f"{name} {value}" for name, value in config.items())
    lines = [f"# {len(results.curricula)} curricula, {sheets[0].title}", "", sizes, NOTES]
    for sheet in sheets:
        lines += [f"## {sheet.title.capitalize()}", "", *sheet.markdown(), ""]
    lines += [*(f"- {sentence}" for sentence in claims(results)), ""]
    lines += ["![every metric of every curriculum](report.png)", ""]
    write_atomically(folder / "report.md", "\n".join(lines))
    return folder / "report.md"


def draw(results: Results, path: Path) -> None:
    """Draw a panel for each metric, with a point and an interval for each curriculum."""
    names = results.ranked()[::-1]
    figure = Figure(figsize=(16, 1.5 + 0.27 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(METRICS), sharey=True)
    for panel, (metric, title) in zip(panels, METRICS.items(), strict=True):
        found = [mean_interval(results.values(name, metric).mean(axis=0)) for name in names]
        means, halves = np.array([(one.value, one.half_width) for one in found]).T
        places = np.arange(len(names))
        panel.errorbar(means, places, xerr=np.nan_to_num(halves), fmt="o", markersize=4, capsize=2)
        panel.axvline(means[names.index(BASELINE)], color="grey", linestyle="--", linewidth=1)
        panel.set(title=title, yticks=places, yticklabels=names)
        panel.grid(axis="y", alpha=0.3)
    figure.suptitle(f"{titled(results)}; dashed: random; bars: 95 % over seeds")
    save_figure(figure, path)
