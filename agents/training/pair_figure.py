"""The picture of two runs beside each other: what their rules posed, and what was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edgewise.agents.training.figures import save_figure

Row = Mapping[str, Any]
NUM_SPANS = 40  # of steps, each a column
MANY = 12  # arms, of which every second is named
INCHES = 0.17  # of an arm
LEARNED = (  # the metric of each arm, the title, and the colours from 0 to 1
    ("probability", "how likely each arm is drawn", "Blues"),
    ("accuracy", "accuracy on its problems", "viridis"),
)


def draw_pair(sides: Sequence[tuple[str, Sequence[str], Sequence[Row]]], path: Path) -> None:
    """Draw the probability and the accuracy of every arm over steps, a column for each run.

    Args:
        sides: Of each run its title, the names of its arms, and its metrics, of one step at least.
        path: PNG file to write.

    Raises:
        OSError: If it cannot be written.
    """
    most = max(len(names) for _, names, _ in sides)
    size = (5.2 * len(sides), 2 * max(2.2, 1.1 + INCHES * most))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(LEARNED), len(sides), squeeze=False)
    for row, (metric, title, colours) in enumerate(LEARNED):
        tables = [spans(metrics, len(names), metric) for _, names, metrics in sides]
        top = max(float(np.nanmax(table, initial=0.0)) for table in tables) if row == 0 else 1.0
        for column, (name, names, metrics) in enumerate(sides):
            axes: Axes = panels[row, column]
            last = metrics[-1]["step"]
            extent = (metrics[0]["step"] - 0.5, last + 0.5, len(names) - 0.5, -0.5)
            shown = axes.imshow(
                tables[column], aspect="auto", cmap=colours, vmin=0, vmax=top or 1.0,
                extent=extent, interpolation="nearest",
            )  # fmt: skip
            axes.set(
                title=f"{name}: {title}", xlabel="step", facecolor="0.92"
            )  # where nothing is known
            every = 1 if len(names) <= MANY else 2
            axes.set_yticks(range(0, len(names), every), labels=names[::every], fontsize=8)
        figure.colorbar(shown, ax=panels[row, :], shrink=0.8)
    save_figure(figure, path, dpi=90)


def spans(metrics: Sequence[Row], num_arms: int, name: str) -> NDArray[np.float64]:
    """Return the mean of a metric of each arm over spans of steps, (K, spans); NaN where there is none."""
    parts = np.array_split(np.arange(len(metrics)), min(NUM_SPANS, len(metrics)))
    table = np.full((num_arms, len(parts)), np.nan)
    for arm in range(num_arms):
        for column, part in enumerate(parts):
            key = f"arm/{arm}_{name}"
            values = [metrics[step][key] for step in part if key in metrics[step]]
            if values:
                table[arm, column] = np.mean(values)
    return table
