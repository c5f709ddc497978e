"""Write matplotlib figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator

from edgewise.files import write_atomically

NUM_COLORS = 10  # of matplotlib's cycle
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "xx", "--")
LEFT, RIGHT, BOTTOM, TOP = 0.55, 0.15, 0.45, 0.3  # inches about a panel: its labels and its title
NUM_TICKS = 6  # of an axis, at the most


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
