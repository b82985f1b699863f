"""`pushline report`: what was found out about a run, for a terminal, a browser, a forge, a hub, or a machine."""

from pathlib import Path
from typing import Annotated

import typer

from pushline.cli.exits import Exit, Said
from pushline.cli.files import refuse_existing, write_new
from pushline.cli.line_of_sight import OpenLine, line_in_sight
from pushline.cli.options import Force, LineOption, OneModel
from pushline.cli.report_view import show_report
from pushline.cli.terminal import Terminal, plain, terminal_of
from pushline.cli.verdicts import MEASURED, PAGE, Found, beside, fetch, find_verdict
from pushline.reports import markdown
from pushline.reports.bom import bill_of_materials
from pushline.reports.card import model_card
from pushline.reports.measured import read_measured
from pushline.reports.page import page


def report(
    context: typer.Context,
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id or commit SHA, a prefix does; or `live`.")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the page, one file for any browser.")] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, as forges get it.")] = False,
    card: Annotated[bool, typer.Option("--card", help="Print a model card: README.md with a model-index, for model hubs.")] = False,
    bom: Annotated[bool, typer.Option("--bom", help="Print a bill of materials: CycloneDX 1.6, JSON.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json itself, byte for byte.")] = False,
    model: OneModel = "",
    force: Force = False,
    line: LineOption = None,
) -> None:
    """Show a run's verdict with everything behind it: gates, metrics, slices, data, cost, what changed since the live model."""
    terminal = terminal_of(context)
    if sum((html is not None, as_markdown, card, bom, as_json)) > 1:
        raise Said("Give one of --html, --markdown, --card, --bom and --json at most.", Exit.USAGE)
    if html is not None:
        refuse_existing([html], force=force)
    with line_in_sight(terminal, line) as seen:
        with seen.tail.read() as ledger:
            event = find_verdict(ledger, run, model)
        found = fetch(seen, event)
        if html is not None:
            write_new(html, _page(seen, found), force=force)
            terminal.say(f"Wrote {plain(str(html))}.")
        elif as_markdown or card or bom or as_json:
            terminal.out.file.write(_document(found, as_markdown=as_markdown, card=card, bom=bom))
        else:
            _show(terminal, seen, found)


def _show(terminal: Terminal, seen: OpenLine, found: Found) -> None:
    show_report(terminal, found.report, read_measured(beside(seen, found.event, MEASURED)))


def _page(seen: OpenLine, found: Found) -> str:
    """The page as the evaluator drew it, which has pictures; else one that is drawn of the report."""
    data = beside(seen, found.event, PAGE) or page(found.report, read_measured(beside(seen, found.event, MEASURED)))
    return data.decode()


def _document(found: Found, *, as_markdown: bool, card: bool, bom: bool) -> str:
    if as_markdown:
        return markdown(found.report)
    if card:
        return model_card(found.report)
    return (bill_of_materials(found.report) if bom else found.data).decode()
