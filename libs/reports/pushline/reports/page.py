"""report.html: one self-contained page for people, without a script or a request. What it says stands in report.json."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from pushline.reports import view, words
from pushline.reports.charts import Chart, draw
from pushline.reports.measured import MeasuredCosts
from pushline.reports.report import Drawing, Report
from pushline.reports.training import training

WORST_ROWS = "Worst rows"  # the heading of their pictures


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG that stands under a heading of the page; `alt` is what it shows, in words."""

    heading: str
    caption: str
    alt: str
    png: bytes

    @property
    def source(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def page(report: Report, measured: MeasuredCosts | None = None, pictures: Sequence[Picture] = ()) -> bytes:
    """Drawings and pictures stand under the headings that they name, those that the page does not know by itself included."""
    drawings = [*report.drawings, *training(report.history)]
    text = template("page.html.j2").render(
        report=report,
        measured=measured,
        tiles=view.tiles(report),
        gates=words.worst_first(report),
        metrics=view.metrics(report),
        slices=view.slices(report),
        matrix=view.matrix(report),
        confused=view.confused(report),
        classes=view.worst_classes(report),
        costs=view.costs(measured),
        headings=view.headings(drawings, pictures),
        charts=lambda heading: _charts(drawings, heading),
        pictures=lambda heading: [picture for picture in pictures if picture.heading == heading],
    )
    return text.encode()


def _charts(drawings: Sequence[Drawing], heading: str) -> list[Chart]:
    return [draw(drawing) for drawing in drawings if drawing.heading == heading]


def template(name: str) -> Template:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pushline.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "show": words.show,
        "brief": words.brief,
        "change": words.change,
        "percent": words.percent,
        "size": words.size,
        "seconds": words.seconds,
        "short": words.short,
        "sentence": words.sentence,
        "first_line": words.first_line,
        "estimate": words.estimate,
        "difference": words.difference,
        "result": words.result,
        "level": words.level,
        "slice_name": words.slice_name,
    }
    environment.tests |= {"open": words.is_open}
    environment.globals |= {"rule": words.rule, "interval": words.interval}
    return environment
