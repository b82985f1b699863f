"""Markdown for forges: the decision first, and nothing that a repository wrote does anything but stand there."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pushline.reports import markdown
from pushline.reports.findings import Power
from pushline.reports.forge_text import code, line, text
from pushline.reports.markdown import MAX_BYTES
from tests.fixtures.reports.complete import ATTACKS, complete, hostile

GOLDEN = Path(__file__).parents[2] / "fixtures" / "reports" / "complete.md"
LINKS = {"the page": "https://pushline.example.com/runs/1"}
MENTION = re.compile(r"(?:^|\W)@[a-z0-9]", re.IGNORECASE)
REFERENCE = re.compile(r"(?:^|[\s\w/])(?:#\d|GH-\d|![0-9]|~\w|\$\d)", re.IGNORECASE)


def parse(written: str) -> list[Token]:
    found: list[Token] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(written):
        found += [token, *(token.children or ())]
    return found


def test_the_golden_report_is_what_forges_are_shown() -> None:
    assert markdown(complete(), LINKS) == GOLDEN.read_text(encoding="utf-8")


def test_decision_and_reason_come_first_then_the_gates_with_the_refused_ones_in_front() -> None:
    written = markdown(complete())

    assert written.startswith(
        "### \N{CROSS MARK} Rejected: pets at `1f1f1f1f1f1f`\n\nrecall.dog 0.91 is under the gate's minimum 0.95"
    )
    rows = [row for row in written.splitlines() if row.endswith(("| **refused** |", "| passed |"))]
    assert written.index("**not decided**") < written.index("| passed |")
    assert len(rows) == 3


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts_break_out_of_nothing(attack: str) -> None:
    written = markdown(hostile(attack), LINKS)
    tokens = parse(written)

    html = {token.content.strip() for token in tokens if token.type in ("html_block", "html_inline")}
    assert all(re.fullmatch(r"<details><summary>[A-Z][A-Za-z', ]+</summary>|</details>", each) for each in html)
    links = [token.attrGet("href") for token in tokens if token.type == "link_open"]
    assert links == [LINKS["the page"]]
    assert not [token for token in tokens if token.type == "image"]
    said = [token.content for token in tokens if token.type == "text"]
    assert not [each for each in said if MENTION.search(each) or REFERENCE.search(each)]
    assert not [each for each in said if "://" in each or "www." in each]
    assert not [row for row in written.splitlines() if row.startswith("/")]
    assert all(each.isprintable() or each in "\n\N{WORD JOINER}" for each in written)


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_row_of_a_table_keeps_its_cells(attack: str) -> None:
    written, honest = markdown(hostile(attack)), markdown(complete())

    assert _cells(written.partition("<details>")[0]) == _cells(honest.partition("<details>")[0])


def _cells(written: str) -> list[int]:
    return [len(re.findall(r"(?<!\\)\|", row)) for row in written.splitlines() if row.startswith("|")]


@given(st.text(max_size=80))
def test_any_text_is_one_paragraph_of_plain_words(anything: str) -> None:
    tokens = parse(f"x {text(anything)}")

    kinds = {token.type for token in tokens} - {"paragraph_open", "paragraph_close", "inline"}
    assert kinds <= {"text"}
    shown = "".join(token.content for token in tokens if token.type == "text").replace("\N{WORD JOINER}", "")
    assert shown.split() == ["x", *line(anything).split()]


@given(st.text(alphabet="`a |\\", max_size=20))
def test_any_code_span_shows_its_text(anything: str) -> None:
    written = code(anything)

    shown = [token.content for token in parse(f"x {written}") if token.type == "code_inline"]
    assert shown == ([line(anything).replace("|", "\\|")] if line(anything) else [])


def test_links_go_to_web_addresses_alone() -> None:
    written = markdown(
        complete(), {"a": "javascript:alert(1)", "b": "https://x.example/>)[y](z", "c": "https://ok.example/?q=1&r=%20"}
    )

    assert written.rstrip().endswith("[c](<https://ok.example/?q=1&r=%20>)")
    assert "javascript" not in written
    assert "x.example" not in written


def test_however_much_there_is_it_fits_a_comment() -> None:
    report = complete()
    assert report.comparison is not None
    assert report.changes is not None
    long = "\N{CHECK MARK}" * 5_000
    many = replace(
        report,
        sentence=long,
        gates=tuple(replace(report.gates[2], metric=f"{long}{at}") for at in range(3_000)),
        comparison=replace(report.comparison, power=tuple(Power(long, 0.1, 0.9, long) for _ in range(100))),
        slices=report.slices * 1_000,
        changes=replace(report.changes, commits=report.changes.commits * 500, made=report.changes.made * 500),
        own_metrics=report.own_metrics * 500,
    )

    written = markdown(many, LINKS)

    assert len(written.encode()) <= MAX_BYTES
    assert written.startswith("### ")
    assert written.rstrip().endswith("[the page](<https://pushline.example.com/runs/1>)")
    assert "2960 more." in written
