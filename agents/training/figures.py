"""Write matplotlib figures, and the one of two runs beside each other: what their rules posed, and what was learned."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from edgewise.files import write_atomically

NUM_COLORS = 10  # of matplotlib's cycle
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "xx", "--")
LEFT, RIGHT, BOTTOM, TOP = 0.55, 0.15, 0.45, 0.3  # inches about a panel: its labels and its title
NUM_TICKS = 6  # of an axis, at the most
Row = Mapping[str, Any]
NUM_SPANS = 40  # of steps, each a column
MANY = 12  # arms, of which every second is named
INCHES = 0.17  # of an arm
LEARNED = (  # the metric of each arm, the title, and the colours from 0 to 1
    ("probability", "how likely each arm is drawn", "Blues"),
    ("accuracy", "accuracy on its problems", "viridis"),
)


def line_style(place: int) -> dict[str, Any]:
    """Return colour and dashes of the line in a place among others; the first 50 are all different.

    >>> line_style(3), line_style(13)
    ({'color': 'C3', 'linestyle': '-'}, {'color': 'C3', 'linestyle': '--'})
    """
    dashes = DASHES[place // NUM_COLORS % len(DASHES)]
    return {"color": f"C{place % NUM_COLORS}", "linestyle": dashes}


def stack(axes: Axes, steps: Sequence[float], shares: Any, names: Sequence[str] = ()) -> None:
    """Plot shares, (steps, K), as stacked areas, of colours as `line_style` has, and hatched as it has dashes."""
    colors = [f"C{place % NUM_COLORS}" for place in range(shares.shape[1])]
    areas = axes.stackplot(steps, shares.T, labels=names, colors=colors, alpha=0.8)
    for place, area in enumerate(areas):
        area.set_hatch(HATCHES[place // NUM_COLORS % len(HATCHES)])


def place_panels(figure: Figure, panels: Any, legend: Artist | None = None) -> None:
    """Place panels of curves over steps, (rows, columns), and right of them the legend of all.

    A layout engine measures every label several times, which takes longer than all else of a figure:
    here margins are given, and ticks are few.
    """
    whole, height = figure.get_size_inches()
    canvas: Any = FigureCanvasAgg(figure)
    beside = legend.get_window_extent(canvas.get_renderer()).width if legend else 0.0
    width = whole - beside / figure.dpi
    rows, columns = panels.shape
    across, down = width / columns - LEFT - RIGHT, height / rows - TOP - BOTTOM
    figure.subplots_adjust(
        left=LEFT / whole,
        right=(width - RIGHT) / whole,
        bottom=BOTTOM / height,
        top=1 - TOP / height,
        wspace=(LEFT + RIGHT) / across,
        hspace=(BOTTOM + TOP) / down,
    )
    for axes in panels.flat:
        axes.set_title(axes.get_title(), y=1.0)  # measures no ticks, unlike the default
        axes.xaxis.set_label_coords(0.5, -0.3 / down)
        axes.yaxis.set_label_coords(-0.45 / across, 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(NUM_TICKS, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(NUM_TICKS, steps=[1, 2, 5, 10]))


def save_figure(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure as PNG, atomically.

    Raises:
        OSError: If it cannot be written.
    """
    figure.set_dpi(dpi)
    canvas: Any = FigureCanvasAgg(figure)
    content = io.BytesIO()
    canvas.draw()  # once; `savefig` draws twice and writes the same bytes
    fast = {"compress_level": 1}  # a third of the time for a sixth more bytes
    imsave(content, canvas.buffer_rgba(), format="png", dpi=dpi, pil_kwargs=fast)
    write_atomically(path, content.getvalue())


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
