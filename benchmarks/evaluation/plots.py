"""Plots as SVG, to stand in a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 250, 170
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 8, 24  # margins


@dataclass(frozen=True)
class Point:
    """A fraction with an interval, above a label."""

    label: str
    value: float
    low: float
    high: float
    ood: bool = False


def panel(title: str, series: Sequence[Sequence[Point]], joined: bool = False) -> str:
    """Return a figure with the points of some series side by side, from 0 to 1.

    Args:
        title: Is put above.
        series: All have the same labels, or one after the other where they are not joined.
        joined: Whether lines join the points of a series.
    """
    labels = list(dict.fromkeys(point.label for points in series for point in points))
    step = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    drawn = [axes(labels, step)]
    for points in series:
        shift = 0.0 if len(series) == 1 else 3.0 * (1 if points[0].ood else -1)
        places = [(LEFT + (labels.index(p.label) + 0.5) * step + shift, p) for p in points]
        if joined:
            path = " ".join(f"{x:.1f},{height(p.value):.1f}" for x, p in places)
            drawn.append(f'<polyline class="path{kind(points[0])}" points="{path}"/>')
        drawn += [mark(x, point) for x, point in places]
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    image = f'<svg {size} role="img" aria-label="{escape(title)}">{"".join(drawn)}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{image}</figure>"


def axes(labels: Sequence[str], step: float) -> str:
    """Return lines at quarters, and the labels below."""
    drawn = []
    for quarter in range(5):
        y = height(quarter / 4)
        drawn.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{quarter / 4:g}</text>'
        )
    for place, label in enumerate(labels):
        x = LEFT + (place + 0.5) * step
        drawn.append(
            f'<text x="{x:.1f}" y="{HEIGHT - 7}" text-anchor="middle">{escape(label)}</text>'
        )
    return "".join(drawn)


def mark(x: float, point: Point) -> str:
    """Return a point with its interval, and what it says when it is pointed at."""
    low, high, y = height(point.low), height(point.high), height(point.value)
    tooltip = f"{point.label}: {point.value:.3f} [{point.low:.3f}, {point.high:.3f}]"
    return (
        f"<g><title>{escape(tooltip)}</title>"
        f'<line class="bar" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        f'<circle class="mark{kind(point)}" cx="{x:.1f}" cy="{y:.1f}" r="4"/></g>'
    )


def kind(point: Point) -> str:
    """Return the class of points out of distribution."""
    return " ood" if point.ood else ""


def height(value: float) -> float:
    """Compute the vertical position of a fraction."""
    return TOP + (1 - value) * (HEIGHT - TOP - BOTTOM)
