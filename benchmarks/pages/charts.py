"""Line charts as SVG, to stand in a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import TypeGuard

WIDTH, HEIGHT = 340, 200
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 8, 36  # margins
MAX_BANDS = 6  # of more curves, intervals would hide the curves
NUM_COLORS, NUM_DASHES = 10, 5  # of page.css; together they tell 50 curves apart
NUM_MARKED = 50  # a line of more points has no dots
LARGEST = 1e100  # that is drawn
TICKS = 5  # about so many on an axis


@dataclass(frozen=True)
class Dot:
    """A point of a curve, with its interval if it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A curve with its name."""

    name: str
    dots: Sequence[Dot]


def chart(
    title: str,
    lines: Sequence[Line],
    x_name: str,
    bottom: float | None = None,
    top: float | None = None,
) -> str:
    """Return a figure of some curves; "" if none has a point.

    Args:
        title: Is put above.
        lines: Their colours and dashes go by their place, also where one has no points.
        x_name: What the horizontal axis shows.
        bottom: What the vertical axis shows at least; by default what there is.
        top: Likewise.
    """
    dots = [dot for line in lines for dot in line.dots]
    if not dots:
        return ""
    ends = [end for d in dots for end in (d.y, d.low, d.high) if end is not None]
    ends += [end for end in (bottom, top) if end is not None]
    frame = Frame.around([dot.x for dot in dots], ends)
    drawn = [frame.grid(x_name)]
    is_sure = sum(bool(line.dots) for line in lines) <= MAX_BANDS
    drawn += [curve(line, style(place), frame, is_sure) for place, line in enumerate(lines)]
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    image = f'<svg {size} role="img" aria-label="{escape(title)}">{"".join(drawn)}</svg>'
    names = legend(lines) if len(lines) > 1 else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{image}{names}</figure>"


def style(place: int) -> str:
    """Return the classes of the curve in a place: a colour, and after all of them a dash.

    >>> style(3), style(13), style(53)
    ('c3', 'c3 d1', 'c3')
    """
    dash = place // NUM_COLORS % NUM_DASHES
    return f"c{place % NUM_COLORS}{f' d{dash}' if dash else ''}"


def legend(lines: Sequence[Line]) -> str:
    """Return the names of curves with their colours and dashes."""
    items = "".join(
        f'<li class="{style(place)}">{escape(line.name)}</li>' for place, line in enumerate(lines)
    )
    return f'<ul class="legend">{items}</ul>'


def curve(line: Line, classes: str, frame: Frame, is_sure: bool = True) -> str:
    """Return a curve, with its intervals if `is_sure`; what is pointed at says its values."""
    if not line.dots:
        return ""
    points = [frame.place(dot.x, dot.y) for dot in line.dots]
    sure = [(dot.x, dot.low, dot.high) for dot in line.dots]
    drawn = []
    ends = [(x, low, high) for x, low, high in sure if low is not None and high is not None]
    if is_sure and len(ends) > 1:
        around = [frame.place(x, high) for x, _, high in ends]
        around += [frame.place(x, low) for x, low, _ in reversed(ends)]
        drawn.append(f'<polygon class="band" points="{joined(around)}"/>')
    drawn.append(f'<polyline class="line" points="{joined(points)}"/>')
    if len(points) <= NUM_MARKED:
        for dot, (x, y) in zip(line.dots, points, strict=True):
            drawn.append(
                f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.4">'
                f"<title>{escape(said(line.name, dot))}</title></circle>"
            )
    return f'<g class="{classes}"><title>{escape(line.name)}</title>{"".join(drawn)}</g>'


def joined(points: Sequence[tuple[float, float]]) -> str:
    """Format points as SVG wants them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def said(name: str, dot: Dot) -> str:
    """Format a point as text.

    >>> said("level 1", Dot(20, 0.5, 0.25, 0.75))
    'level 1, 20: 0.5 [0.25, 0.75]'
    """
    sure = "" if dot.low is None or dot.high is None else f" [{dot.low:.3g}, {dot.high:.3g}]"
    return f"{name}, {short(dot.x)}: {dot.y:.3g}{sure}"


@dataclass(frozen=True)
class Frame:
    """What a chart shows: from where to where, with ticks."""

    left: float
    right: float
    bottom: float
    top: float

    @classmethod
    def around(cls, xs: Sequence[float], ys: Sequence[float]) -> Frame:
        """Return the frame of some finite values, a little wider where they are all the same."""
        left, right = min(xs), max(xs)
        bottom, top = min(ys), max(ys)
        step = tick_step(top - bottom) if top > bottom else max(abs(top), 1.0) / 2
        return cls(
            left,
            right if right > left else left + 1,
            floor(bottom / step + 1e-9) * step,
            ceil(top / step - 1e-9) * step + (0.0 if top > bottom else step),
        )

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Compute where a point is in the image."""
        across = (x - self.left) / (self.right - self.left)
        up = (y - self.bottom) / (self.top - self.bottom)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    def grid(self, x_name: str) -> str:
        """Return the lines and numbers of the axes."""
        drawn = []
        for value in ticks(self.bottom, self.top):
            _, y = self.place(self.left, value)
            drawn.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>'
            )
        counts = [value for value in ticks(self.left, self.right) if value.is_integer()]
        for value in counts:  # of steps, tokens and levels there are no parts
            x, y = self.place(value, self.bottom)
            drawn.append(
                f'<text x="{x:.1f}" y="{y + 15:.1f}" text-anchor="middle">{short(value)}</text>'
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        drawn.append(
            f'<text x="{middle:.1f}" y="{HEIGHT - 4}" text-anchor="middle">{escape(x_name)}</text>'
        )
        return "".join(drawn)


def tick_step(span: float) -> float:
    """Return the distance of ticks, 1, 2 or 5 times a power of ten.

    >>> tick_step(1.0), tick_step(95), tick_step(7)
    (0.2, 20.0, 2.0)
    """
    least = span / TICKS
    unit = 10.0 ** floor(log10(least))
    return next(unit * times for times in (1, 2, 5, 10) if unit * times >= least * (1 - 1e-9))


def ticks(low: float, high: float) -> list[float]:
    """Return the values with a tick from `low` to `high`.

    >>> ticks(0.0, 1.0), ticks(1, 20)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [5.0, 10.0, 15.0, 20.0])
    """
    step = tick_step(high - low)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def short(value: float) -> str:
    """Format a number in few characters.

    >>> short(0.25), short(1500), short(2_000_000)
    ('0.25', '1.5k', '2M')
    """
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value of a record can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
