"""Write matplotlib figures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from edgewise.files import write_atomically


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
