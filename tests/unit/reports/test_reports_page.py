"""The page: everything that was found out stands on it, whatever a repository named it, and it asks nobody for anything."""

import itertools
import re
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.reports.charts import MAX_POINTS, axis, draw, thinned, ticks
from pushline.reports.compare import compare
from pushline.reports.compare_page import compare_page
from pushline.reports.findings import DataFacts, Difference, Estimate, SliceFound
from pushline.reports.page import Picture, page
from pushline.reports.png import png
from pushline.reports.report import Axis, ClassRow, Drawing, Report, Series
from pushline.reports.training import training
from pushline.reports.view import better
from tests.fixtures.reports.complete import ATTACKS, complete, costs, hostile, pictures

VOID = {"meta", "img", "link", "br", "line", "polyline", "circle"}
MOST_BYTES = 2 * 2**20  # of a page without pictures


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, text by element, and nesting that is whole."""

    def __init__(self, source: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(source.decode())
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self.texts.append((self._open[-1], " ".join(data.split())))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]

    @property
    def words(self) -> str:
        return " ".join(text for name, text in self.texts if name != "style")


def shown(report: Report) -> Page:
    return Page(page(report, costs(), pictures()))


def test_decision_and_sentence_come_first_and_every_part_has_its_heading() -> None:
    seen = shown(complete())

    assert seen.of("title") == ["pets 1f1f1f1f1f1f: rejected"]
    body = seen.words.partition("rejected pets")[0] + seen.words
    assert body.index("recall.dog 0.91 is under the gate's minimum 0.95") < body.index("Difference (bounds)")
    assert seen.of("h2") == [
        "Gates",
        "What this set can see",
        "Metrics",
        "The repository's own metrics",
        "Slices",
        "Confusion matrix",
        "Answers",
        "Calibration",
        "Worst rows",
        "Training",
        "Data",
        "Serving",
        "Changed since the live model",
        "Where it comes from",
        "Environment of the training",
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "accuracy may drop by at most 0.01 0.944 0.92 to 0.961 0.956",
        "\N{MINUS SIGN}0.012 (\N{MINUS SIGN}0.034 to +0.009) ? not decided",
        "This set can see a drop of 1.9 points with 95 %.",
        "This model alone is right on 9 rows, the live one alone on 15 (exact McNemar test: p = 0.307).",
        "log_loss 0.171 0.14 to 0.21 0.15 +0.021 (+0.002 to +0.04) worse",
        "its numbers, not this program's",
        "odd \N{EN DASH} python:metrics:odd It gave a text.",
        "Worst: young , accuracy 0.85 (0.7 to 0.93) on 40 rows.",
        "Row 17: dog, answered cat",
        "More than once in the set 0.4 % of the rows",
        "2 % of the rows (4000 rows of the training were looked at)",
        "asked 34 requests with 104 rows; its answers were at most 1e-07 from the engine's own",
        "latency p99 900.0 µs \N{EN DASH}",
        "2 older commits 3d3d3d3d3d3d More data Grace",
        "epochs 8 20",
        "Program against model.h5 program.tflite: largest difference 2e-07 over 500 rows",
        "Seeds python 1",
    ],
)
def test_what_was_found_out_stands_on_the_page(sentence: str) -> None:
    assert sentence in shown(complete()).words


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts_are_text(attack: str) -> None:
    honest, seen = shown(complete()), shown(hostile(attack))

    assert {tag for tag, _ in seen.elements} <= {tag for tag, _ in honest.elements} | {"section"}
    names = {name for _, attributes in seen.elements for name in attributes}
    assert names <= {name for _, attributes in honest.elements for name in attributes}
    assert not seen.all("script")
    assert all(each["src"].startswith("data:image/png;base64,") for each in seen.all("img"))
    assert all(each.get("href", "#").startswith("#") for each in seen.all("a"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts_are_text_where_two_runs_are_compared(attack: str) -> None:
    honest, seen = (Page(compare_page(compare(report, complete()))) for report in (complete(), hostile(attack)))

    assert {tag for tag, _ in seen.elements} <= {tag for tag, _ in honest.elements}


def test_the_page_asks_for_nothing_and_may_not() -> None:
    source = page(complete(), costs(), pictures()).decode()

    policy = next(
        each["content"] for each in shown(complete()).all("meta") if "content" in each and "default-src" in each["content"]
    )
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?https?:", source)
    assert "@import" not in source


def test_headings_go_down_step_by_step_and_tables_say_what_their_cells_are_of() -> None:
    seen = shown(complete())

    levels = [int(tag[1]) for tag, _ in seen.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(each.get("scope") in ("row", "col") for each in seen.all("th"))
    assert all(each["alt"] for each in seen.all("img"))
    assert all(each["aria-label"] for each in seen.all("svg") if each.get("role") == "img")
    assert seen.all("html")[0]["lang"] == "en"


def test_a_stacked_table_names_each_cell_by_its_column() -> None:
    seen = shown(complete())

    stacked = re.findall(r'<table class="stack">.*?</table>', page(complete(), costs()).decode(), re.DOTALL)
    assert stacked
    for each in stacked:
        cells = re.findall(r"<td[^>]*>", each)
        assert all("data-name=" in cell for cell in cells)
    assert seen.all("table")


def schemes() -> Iterator[dict[str, str]]:
    style = page(complete()).decode()
    for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL):
        yield dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mixed(tint: str, ground: str, share: float) -> str:
    parts = [round(share * int(tint[at : at + 2], 16) + (1 - share) * int(ground[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)


def test_text_can_be_read_on_its_ground_light_and_dark() -> None:
    light_and_dark = list(schemes())

    assert len(light_and_dark) == 2
    for colours in light_and_dark:
        on = [(ink, ground) for ground in ("paper", "card") for ink in ("ink", "soft", "s0")]
        on += [(ink, "paper") for ink in ("good", "bad", "open")] + [(each, f"{each}-back") for each in ("good", "bad", "open")]
        on += [(ink, f"{ground}-back") for ground in ("good", "bad", "open") for ink in ("ink", "soft")]
        for ink, ground in on:
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for tint in ("heat", "wrong"):
            assert contrast(colours["ink"], mixed(colours[tint], colours["card"], 0.62)) >= 4.5, tint
        assert all(contrast(colours[line], colours["card"]) >= 3 for line in ("s0", "s1", "s2", "s3"))


def test_parts_that_were_not_found_out_are_left_out() -> None:
    bare = replace(
        complete(),
        gates=(),
        metrics={},
        classes=(),
        confusion=(),
        champion=None,
        comparison=None,
        slices=(),
        data=None,
        trial=None,
        own_metrics=(),
        drawings=(),
        worst_rows=(),
        changes=None,
        history={},
        dataset=None,
        versions={},
        sandbox="",
        files=(),
    )

    assert Page(page(bare)).of("h2") == ["Where it comes from"]


def test_a_later_measure_has_its_drawings_and_pictures_under_its_own_heading() -> None:
    drawing = Drawing(
        "Robustness",
        "Accuracy by noise",
        "lines",
        "It falls.",
        Axis("noise", 0, 1),
        Axis("accuracy", 0, 1),
        (Series("", ((0, 1), (1, 0.5))),),
    )
    picture = Picture("Robustness", "A row with noise", "A row", png(bytes(4), 2, 2, 1))

    seen = Page(page(replace(complete(), drawings=(drawing,), metrics={"robust_accuracy": Estimate(0.4)}), None, [picture]))

    assert "Robustness" in seen.of("h2")
    assert "Accuracy by noise" in seen.of("h3")
    assert "A row with noise" in seen.words
    assert "robust_accuracy 0.4" in seen.words


def many_classes(classes: int, slices: int) -> Report:
    names = [f"class {at}" for at in range(classes)]
    found = SliceFound("label", "", 10, {"accuracy": Estimate(0.9, 0.8, 0.95)})
    return replace(
        complete(),
        labels=tuple(names),
        classes=tuple(ClassRow(name, 10, 0.9, 0.9, at / classes) for at, name in enumerate(names)),
        metrics={**complete().metrics, **{f"recall.{name}": Estimate(0.9) for name in names}},
        slices=tuple(replace(found, value=name) for name in names[:slices]),
        data=DataFacts(100_000, dict.fromkeys(names, 10), 0.0, 0.0, 0),
        confusion=()
        if classes > 500
        else tuple(tuple(int(a == (b + 1) % classes) for a in range(classes)) for b in range(classes)),
    )


def test_ten_thousand_classes_and_a_thousand_slices_make_a_page_that_can_be_used() -> None:
    source = page(many_classes(10_000, 1_000))
    seen = Page(source)

    assert len(source) < MOST_BYTES
    assert len(seen.all("tr")) < 300
    assert "980 more stand in report.json." in seen.words
    assert "9980 more stand in report.json." in seen.words
    assert "class 0 10 0.9 0.9 0" in seen.words


def test_few_classes_show_their_matrix_and_many_what_is_confused_most() -> None:
    few, many = Page(page(many_classes(20, 5))), Page(page(many_classes(40, 5)))

    assert "Confusion matrix" in few.of("h2")
    assert "Most confused classes" not in few.of("h2")
    assert "Confusion matrix" not in many.of("h2")
    assert "Most confused classes" in many.of("h2")
    assert "class 1 class 2 1" in many.words


def test_a_difference_is_better_or_worse_only_where_both_bounds_say_so() -> None:
    assert better(Difference(0.02, 0.01, 0.03, "score"), error=False) is True
    assert better(Difference(0.02, 0.01, 0.03, "score"), error=True) is False
    assert better(Difference(-0.02, -0.03, -0.01, "score"), error=True) is True
    assert better(Difference(-0.02, -0.03, -0.01, "score"), error=False) is False
    assert better(Difference(0.02, -0.01, 0.03, "score"), error=False) is None
    assert better(Difference(0.02, None, None, ""), error=False) is None


finite = st.floats(allow_nan=False, allow_infinity=False)


def polylines(svg: str) -> list[str]:
    return [element.attrib["points"] for element in ET.fromstring(svg).iter("polyline")]  # noqa: S314 - our own


@given(st.lists(st.none() | finite, min_size=1, max_size=40))
def test_any_history_draws_inside_its_frame(values: list[float | None]) -> None:
    for drawing in training({"loss": values, "val_loss": values[:1]}):
        for line in polylines(str(draw(drawing).svg)):
            for point in line.split():
                x, y = map(float, point.split(","))
                assert 0 <= x <= 460
                assert 0 <= y <= 280


@given(finite, finite, finite, finite)
def test_any_numbers_of_a_report_draw(low: float, high: float, x: float, y: float) -> None:
    drawing = Drawing(
        "h", "t", "points", "", Axis("x", low, high), Axis("y", high, low), (Series("", ((x, y),)),), ((x, y), (y, x))
    )

    ET.fromstring(str(draw(drawing).svg))  # noqa: S314 - our own


def test_a_value_that_is_missing_breaks_the_line() -> None:
    (drawing,) = training({"loss": [3.0, 2.0, None, 1.0, 0.5]})

    assert len(polylines(str(draw(drawing).svg))) == 2


def test_a_single_epoch_is_a_point() -> None:
    (drawing,) = training({"loss": [0.5]})

    assert "<circle" in str(draw(drawing).svg)


def test_validation_stands_beside_its_training_metric_and_learning_rates_are_left_out() -> None:
    drawings = training({"accuracy": [0.5, 0.6], "val_accuracy": [0.4, 0.5], "learning_rate": [1, 1], "loss": [2, 1], "odd": []})

    assert [(each.title, [series.name for series in each.series]) for each in drawings] == [
        ("loss by epoch", ["training"]),
        ("accuracy by epoch", ["training", "validation"]),
    ]
    assert drawings[0].says == "training from 2 to 1 in 2 epochs."


def test_epochs_are_whole_numbers() -> None:
    assert ticks(Axis("epoch", 1, 2, whole=True)) == [1, 2]


@given(st.lists(finite, min_size=1, max_size=30))
def test_ticks_lie_on_their_axis(values: list[float]) -> None:
    made = axis("y", values)

    assert made.low < made.high
    room = (made.high - made.low) * 1e-6
    assert all(made.low - room <= tick <= made.high + room for tick in ticks(made))
    assert len(ticks(made)) <= 12


def test_many_points_are_thinned_and_keep_their_ends() -> None:
    dots = tuple((float(at), float(at)) for at in range(10_000))

    kept = thinned(dots)

    assert len(kept) == MAX_POINTS
    assert (kept[0], kept[-1]) == (dots[0], dots[-1])
    drawing = Drawing("h", "t", "points", "", axis("x", [0, 1e4]), axis("y", [0, 1e4]), (Series("", dots),), ((0, 0), (1, 1)))
    assert str(draw(drawing).svg).count("<circle") == MAX_POINTS


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_a_png_of_its_pixels(channels: int) -> None:
    pixels = bytes(range(2 * 3 * channels))

    made = png(pixels, 3, 2, channels)

    assert made.startswith(b"\x89PNG\r\n\x1a\n")
    kinds, data, at = [], b"", 8
    while at < len(made):
        (size,) = struct.unpack(">I", made[at : at + 4])
        kind, content = made[at + 4 : at + 8], made[at + 8 : at + 8 + size]
        assert struct.unpack(">I", made[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + content),)
        kinds.append(kind)
        data += content if kind == b"IDAT" else b""
        at += 12 + size
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
    across = 3 * channels
    assert zlib.decompress(data) == b"\0" + pixels[:across] + b"\0" + pixels[across:]


@pytest.mark.parametrize("wrong", [(b"", 0, 0, 1), (b"abc", 1, 1, 2), (b"abc", 2, 1, 1)])
def test_bytes_that_are_no_picture_are_refused(wrong: tuple[bytes, int, int, int]) -> None:
    with pytest.raises(ValueError, match="are no picture"):
        png(*wrong)
