"""Two reports side by side as one page, without a script or a request."""

from pushline.reports.charts import draw
from pushline.reports.compare import Compared
from pushline.reports.page import template

MOST_ROWS = 40


def compare_page(compared: Compared) -> bytes:
    text: str = template("compare.html.j2").render(
        compared=compared,
        gates=compared.gates[:MOST_ROWS],
        slices=compared.slices[:MOST_ROWS],
        charts=[draw(drawing) for drawing in compared.drawings],
    )
    return text.encode()
