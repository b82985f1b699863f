"""`pushline doctor`: what is missing on this machine and how to get it; on a running line, which service is not well."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pushline.cli.exits import Exit, Said
from pushline.cli.find_line import DEFAULT, line_file_of
from pushline.cli.line_checks import check_line
from pushline.cli.machine_checks import Finding, check_machine
from pushline.cli.options import Json, LineOption
from pushline.cli.terminal import Terminal, plain, terminal_of

MARKS = {"ok": "[green]ok[/green]", "warning": "[yellow]look[/yellow]", "missing": "[red]missing[/red]"}


def doctor(
    context: typer.Context,
    *,
    machine_only: Annotated[bool, typer.Option("--machine", help="Look at this machine alone, not at a running line.")] = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Say what is missing on this machine and how to get it; where a line runs, how its services are."""
    terminal = terminal_of(context)
    findings = check_machine(terminal.environ, ports_wanted=not _line_named(terminal, line))
    if not machine_only and _line_named(terminal, line):
        findings += check_line(line_file_of(terminal, line), terminal.environ)
    if as_json:
        terminal.json([asdict(finding) for finding in findings])
    else:
        show(terminal, findings)
    if any(finding.state == "missing" for finding in findings):
        raise Said("" if not as_json else "something is missing", Exit.FAILED)


def show(terminal: Terminal, findings: list[Finding]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        cure = f"\n[bold]{plain(finding.cure)}[/bold]" if finding.cure else ""
        table.add_row(MARKS[finding.state], finding.what, plain(finding.found) + cure)
    terminal.out.print(table)


def _line_named(terminal: Terminal, line: Path | None) -> bool:
    return line is not None or bool(terminal.environ.get("PUSHLINE_KAFKA")) or DEFAULT.exists()
