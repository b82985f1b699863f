"""`pushline compare`: two runs side by side."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pushline.cli.files import refuse_existing, write_new
from pushline.cli.line_of_sight import line_in_sight
from pushline.cli.options import Force, Json, LineOption, OneModel
from pushline.cli.report_view import STYLES, rows
from pushline.cli.terminal import Terminal, plain, terminal_of
from pushline.cli.verdicts import fetch, find_verdict
from pushline.reports import words
from pushline.reports.compare import Compared, MetricPair, SlicePair
from pushline.reports.compare import compare as side_by_side
from pushline.reports.compare_page import compare_page
from pushline.reports.findings import Estimate

MOST_SLICES = 20
OTHER_SET = "Measured on different evaluation sets: a difference of their numbers need not be one of the models."


def compare(
    context: typer.Context,
    *,
    first: Annotated[str, typer.Argument(metavar="RUN", help="A run id or commit SHA, a prefix does; or `live`.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="The other one.")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page, one file for any browser.")] = None,
    model: OneModel = "",
    force: Force = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Put two runs side by side: verdicts, metrics, gates, slices, and how they were made."""
    terminal = terminal_of(context)
    if html is not None:
        refuse_existing([html], force=force)
    with line_in_sight(terminal, line) as seen:
        with seen.tail.read() as ledger:
            events = find_verdict(ledger, first, model), find_verdict(ledger, second, model)
        found = [fetch(seen, event).report for event in events]
    compared = side_by_side(*found)
    if html is not None:
        write_new(html, compare_page(compared).decode(), force=force)
    if as_json:
        terminal.json(_plain(compared))
    elif html is not None:
        terminal.say(f"Wrote {plain(str(html))}.")
    else:
        _show(terminal, compared)


def _plain(compared: Compared) -> dict[str, Any]:
    return {
        "runs": [compared.first.run_id, compared.second.run_id],
        "same_set": compared.same_set,
        "facts": [asdict(fact) for fact in compared.facts],
        "metrics": [asdict(pair) for pair in compared.metrics],
        "gates": [asdict(pair) for pair in compared.gates],
        "slices": [asdict(pair) for pair in compared.slices],
    }


def _show(terminal: Terminal, compared: Compared) -> None:
    for word, report in (("First", compared.first), ("Second", compared.second)):
        style = STYLES[report.verdict]
        terminal.say(f"{word:7}[{style}]{report.verdict}[/{style}]  {report.commit.sha[:10]}  run {report.run_id}")
        terminal.say(f"       {plain(words.sentence(report.sentence))}")
    if not compared.same_set:
        terminal.say(f"[yellow]{OTHER_SET}[/yellow]")
    for head, body in _tables(compared):
        if body:
            terminal.out.print(rows(head, body))


def _tables(compared: Compared) -> Iterable[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    yield (
        ("METRIC", "FIRST", "SECOND", "CHANGE"),
        [(plain(each.name), *_both(each), _change(each.change, better=each.better)) for each in compared.metrics],
    )
    yield (
        ("GATE", "ASKS FOR", "FIRST", "SECOND"),
        [(plain(each.metric), each.rule, each.first or words.NOTHING, each.second or words.NOTHING) for each in compared.gates],
    )
    slices = compared.slices[:MOST_SLICES]
    metric = plain(slices[0].metric) if slices else ""
    yield (f"SLICE ({metric})", "FIRST", "SECOND"), [(plain(each.name), *_both(each)) for each in slices]
    differs = [fact for fact in compared.facts if fact.differs]
    yield (
        ("WHAT DIFFERS", "FIRST", "SECOND"),
        [(fact.name, plain(fact.first) or words.NOTHING, plain(fact.second) or words.NOTHING) for fact in differs],
    )


def _both(pair: MetricPair | SlicePair) -> tuple[str, str]:
    return _estimate(pair.first), _estimate(pair.second)


def _estimate(found: Estimate | None) -> str:
    return words.NOTHING if found is None else words.estimate(found)


def _change(change: float | None, *, better: bool | None) -> str:
    if better is None:
        return words.change(change)
    return f"[{'green' if better else 'red'}]{words.change(change)} {'better' if better else 'worse'}[/]"
