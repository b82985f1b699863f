"""Line and point charts as SVG that takes its colours from the page, so that one picture serves a light and a dark screen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 42
MAX_POINTS = 400
HUGE = 1e100  # what is larger, or infinite, lies at the edge of its chart

Point = tuple[float, float | None]


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Axis:
    label: str
    low: float
    high: float
    whole: bool = False  # it counts: no ticks between whole numbers

    def share(self, value: float) -> float:
        """Say where on the axis a value lies, from 0 to 1."""
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        step = max(_nice((self.high - self.low) / 5), 1.0 if self.whole else 0.0)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(at * step, 12) for at in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    legend: tuple[str, ...]
    svg: Markup


def axis(label: str, values: Sequence[float | None], *, pad: bool = True) -> Axis:
    """Give an axis that holds the values."""
    numbers = [value for value in values if value is not None and abs(value) < HUGE]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    room = (high - low) * 0.05 if pad else 0.0
    if high - low < 1e-12 * max(1.0, abs(high)):
        room = max(abs(high) * 0.1, 0.5)
    return Axis(label, low - room, high + room)


def lines(title: str, series: Sequence[Series], x: Axis, y: Axis, guide: Sequence[tuple[float, float]] = ()) -> Chart:
    """Draw lines; a value that is None breaks its line. `guide` is a dashed line to compare with."""
    body = [_guide(guide, x, y)] if guide else []
    body += [_line(at, each.points, x, y) for at, each in enumerate(series)]
    return Chart(title, tuple(each.name for each in series), _frame(title, body, x, y))


def points(title: str, dots: Sequence[Point], x: Axis, y: Axis, guide: Sequence[tuple[float, float]]) -> Chart:
    marks = "".join(f'<circle cx="{_x(a, x)}" cy="{_y(b, y)}" r="2.5"/>' for a, b in thinned(dots) if b is not None)
    return Chart(title, (), _frame(title, [f'<g class="dots">{marks}</g>', _guide(guide, x, y)], x, y))


def thinned(values: Sequence[Point]) -> Sequence[Point]:
    """Keep at most MAX_POINTS, evenly, first and last included."""
    if len(values) <= MAX_POINTS:
        return values
    return [values[round(at * (len(values) - 1) / (MAX_POINTS - 1))] for at in range(MAX_POINTS)]


def _frame(title: str, body: Sequence[str], x: Axis, y: Axis) -> Markup:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for tick in y.ticks():
        at = _y(tick, y)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{at}" dy="0.32em" text-anchor="end">{_written(tick)}</text>')
    parts += [
        f'<text class="tick" x="{_x(tick, x)}" y="{bottom + 17}" text-anchor="middle">{_written(tick)}</text>' for tick in x.ticks()
    ]
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(f'<text class="label" x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.label)}</text>')
    middle = (TOP + bottom) / 2
    turned = f'transform="rotate(-90 13 {middle})"'
    parts.append(f'<text class="label" x="13" y="{middle}" text-anchor="middle" {turned}>{escape(y.label)}</text>')
    return Markup("".join([*parts, *body, "</svg>"]))  # noqa: S704 - numbers, and text that was escaped above


def _line(number: int, values: Sequence[Point], x: Axis, y: Axis) -> str:
    pieces: list[list[str]] = [[]]
    for a, b in thinned(values):
        if b is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{_x(a, x)},{_y(b, y)}")
    drawn = "".join(_piece(piece) for piece in pieces if piece)
    return f'<g class="line s{number % 4}">{drawn}</g>'


def _piece(piece: list[str]) -> str:
    if len(piece) > 1:
        return f'<polyline points="{" ".join(piece)}"/>'
    cx, _, cy = piece[0].partition(",")
    return f'<circle class="alone" cx="{cx}" cy="{cy}" r="3.5"/>'


def _guide(guide: Sequence[tuple[float, float]], x: Axis, y: Axis) -> str:
    placed = " ".join(f"{_x(a, x)},{_y(b, y)}" for a, b in guide)
    return f'<polyline class="guide" points="{placed}"/>'


def _x(value: float, x: Axis) -> float:
    return round(LEFT + x.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, y: Axis) -> float:
    return round(HEIGHT - BOTTOM - y.share(value) * (HEIGHT - TOP - BOTTOM), 1)


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(size * power for size in (1, 2, 5, 10) if size * power >= step * 0.999)


def _written(number: float) -> str:
    return f"{number:.4g}"
