"""The learning curves of a comparison of rules, over tokens."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgewise.agents.training.figures import NUM_COLORS, line_style, save_figure
from edgewise.benchmarks.studies.race_statistics import Record, by_entrant

NUM_POINTS = 41  # of each curve


def draw(records: Sequence[Record], path: Path) -> None:
    """Draw the validation accuracy of each entrant, the mean over seeds, one panel for each bed."""
    beds = list(dict.fromkeys(record["bed"] for record in records))
    columns = min(len(beds), 2)
    rows = ceil(len(beds) / columns)
    figure = Figure(figsize=(6.5 * columns, 4.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes, bed in zip(panels, beds, strict=False):
        draw_bed([record for record in records if record["bed"] == bed], axes)
        axes.set(
            title=bed, xlabel="thousand generated tokens, rejected ones included", ylabel="accuracy"
        )
    for axes in panels[len(beds) :]:
        axes.axis("off")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    save_figure(figure, path)


def draw_bed(records: Sequence[Record], axes: Axes) -> None:
    """Draw the curves of one bed, with a band of one standard deviation of the seeds' scores.

    The band is left out where there are more entrants than colours.
    """
    entrants = by_entrant(records)
    tokens = np.linspace(0, records[0]["looks"][-1][0], NUM_POINTS)
    for place, (name, runs) in enumerate(entrants.items()):
        looks = [np.array(run["looks"], np.float64).T for run in runs]
        curves = np.array([np.interp(tokens, used, scores) for used, scores in looks])
        mean, spread = curves.mean(axis=0), curves.std(axis=0, ddof=1)
        axes.plot(tokens / 1000, mean, label=name, **line_style(place))
        if len(entrants) <= NUM_COLORS:
            axes.fill_between(
                tokens / 1000,
                mean - spread,
                mean + spread,
                alpha=0.15,
                color=f"C{place}",
            )
