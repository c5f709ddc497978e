"""Write matplotlib figures."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from edgewise.files import write_atomically


def save_figure(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure as PNG, atomically.

    Raises:
        OSError: If it cannot be written.
    """
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    write_atomically(path, content.getvalue())
