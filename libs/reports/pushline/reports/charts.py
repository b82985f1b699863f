"""Line and point charts as SVG that takes its colours from the page, so that one picture serves a light and a dark screen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from pushline.reports.report import Axis, Drawing, Point, Series

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 42
MAX_POINTS = 400
STYLES = 4  # ways in which the page draws a line
HUGE = 1e100  # what is larger, or infinite, lies at the edge of its chart


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    says: str
    legend: tuple[str, ...]
    svg: Markup


def draw(drawing: Drawing) -> Chart:
    """A value that is None breaks its line."""
    x, y = _Scale(drawing.x, LEFT, WIDTH - RIGHT), _Scale(drawing.y, HEIGHT - BOTTOM, TOP)
    marks = [_line(at, each, x, y) if drawing.kind == "lines" else _dots(each, x, y) for at, each in enumerate(drawing.series)]
    body = [_guide(drawing.guide, x, y), *marks] if drawing.guide else marks
    legend = tuple(each.name for each in drawing.series if each.name)
    return Chart(drawing.title, drawing.says, legend, _frame(drawing, body, x, y))


def axis(label: str, values: Sequence[float | None], *, pad: bool = True) -> Axis:
    """Give an axis that holds the values."""
    numbers = [value for value in values if value is not None and abs(value) < HUGE]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    room = (high - low) * 0.05 if pad else 0.0
    if high - low < 1e-12 * max(1.0, abs(high)):
        room = max(abs(high) * 0.1, 0.5)
    return Axis(label, low - room, high + room)


def thinned(values: Sequence[Point]) -> Sequence[Point]:
    """Keep at most MAX_POINTS, evenly, first and last included."""
    if len(values) <= MAX_POINTS:
        return values
    return [values[round(at * (len(values) - 1) / (MAX_POINTS - 1))] for at in range(MAX_POINTS)]


def ticks(of: Axis) -> list[float]:
    """Give round numbers on the axis, at most a dozen; none where its ends are no range."""
    span = of.high - of.low
    if not 0 < span < math.inf:
        return []
    step = max(_nice(span / 5), 1.0 if of.whole else 0.0)
    first = math.ceil(of.low / step - 1e-9)
    last = min(math.floor(of.high / step + 1e-9), first + 12)
    return [float(f"{at * step:.12g}") for at in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where on the chart a value of an axis lies."""

    axis: Axis
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        low, high = self.axis.low, self.axis.high
        span = high - low
        share = (min(max(value, low), high) - low) / span if 0 < span < math.inf else 0.0
        return round(self.begin + share * (self.end - self.begin), 1)


def _frame(drawing: Drawing, body: Sequence[str], x: _Scale, y: _Scale) -> Markup:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    words = escape(f"{drawing.title}. {drawing.says}")
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">']
    for tick in ticks(y.axis):
        at = y(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{at}" dy="0.32em" text-anchor="end">{_written(tick)}</text>')
    parts += [
        f'<text class="tick" x="{x(tick)}" y="{bottom + 17}" text-anchor="middle">{_written(tick)}</text>' for tick in ticks(x.axis)
    ]
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(
        f'<text class="label" x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.axis.label)}</text>'
    )
    middle = (TOP + bottom) / 2
    turned = f'transform="rotate(-90 13 {middle})"'
    parts.append(f'<text class="label" x="13" y="{middle}" text-anchor="middle" {turned}>{escape(y.axis.label)}</text>')
    return Markup("".join([*parts, *body, "</svg>"]))  # noqa: S704 - numbers, and text that was escaped above


def _line(number: int, series: Series, x: _Scale, y: _Scale) -> str:
    pieces: list[list[str]] = [[]]
    for a, b in thinned(series.points):
        if b is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{x(a)},{y(b)}")
    drawn = "".join(_piece(piece) for piece in pieces if piece)
    return f'<g class="line s{number % STYLES}">{drawn}</g>'


def _piece(piece: list[str]) -> str:
    if len(piece) > 1:
        return f'<polyline points="{" ".join(piece)}"/>'
    cx, _, cy = piece[0].partition(",")
    return f'<circle class="alone" cx="{cx}" cy="{cy}" r="3.5"/>'


def _dots(series: Series, x: _Scale, y: _Scale) -> str:
    marks = "".join(f'<circle cx="{x(a)}" cy="{y(b)}" r="2.5"/>' for a, b in thinned(series.points) if b is not None)
    return f'<g class="dots">{marks}</g>'


def _guide(guide: Sequence[tuple[float, float]], x: _Scale, y: _Scale) -> str:
    placed = " ".join(f"{x(a)},{y(b)}" for a, b in guide)
    return f'<polyline class="guide" points="{placed}"/>'


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(size * power for size in (1, 2, 5, 10) if size * power >= step * 0.999)


def _written(number: float) -> str:
    return f"{number:.4g}"
