"""Write matplotlib figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from edgewise.files import write_atomically

NUM_COLORS = 10  # of matplotlib's cycle
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "xx", "--")


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


def save_figure(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure as PNG, atomically.

    Raises:
        OSError: If it cannot be written.
    """
    figure.set_dpi(dpi)
    canvas: Any = FigureCanvasAgg(figure)
    content = io.BytesIO()
    canvas.draw()  # once; `savefig` draws twice and writes the same bytes
    imsave(content, canvas.buffer_rgba(), format="png", dpi=dpi)
    write_atomically(path, content.getvalue())
