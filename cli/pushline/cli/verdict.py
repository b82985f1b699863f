"""`pushline verdict`: a verdict made once more, to see that it says the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pushline.cli.exits import Exit, Said
from pushline.cli.find_line import line_file_of
from pushline.cli.line_of_sight import open_line
from pushline.cli.options import Json, LineOption, OneModel
from pushline.cli.report_view import rows
from pushline.cli.service_settings import environment_of
from pushline.cli.terminal import Terminal, plain, terminal_of
from pushline.cli.verdicts import find_verdict

verdict = typer.Typer(help="Look into how a verdict came about.", no_args_is_help=True)


@verdict.callback()
def _verdict() -> None:
    """Look into how a verdict came about."""


@verdict.command()
def replay(
    context: typer.Context,
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id or commit SHA, a prefix does; or `live`.")],
    model: OneModel = "",
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Evaluate a run again here, and compare the report byte for byte. Nothing is written to the line."""
    terminal = terminal_of(context)
    at = line_file_of(terminal, line)
    with open_line(at) as seen, seen.tail.read() as ledger:
        event = find_verdict(ledger, run, model)
    told = _evaluate(environment_of(at, terminal.environ), event.run_id, event.baseline_digest)
    if as_json:
        terminal.json(told)
    else:
        _show(terminal, told)
    if not told["same"]:
        raise Said("The verdict was not repeated.", Exit.FAILED)


def _evaluate(environ: dict[str, str], run_id: str, baseline: str) -> dict[str, Any]:
    """Services are started, never imported: it is the evaluator's own code that judges again."""
    command = [sys.executable, "-m", "pushline.evaluator", "replay", run_id, baseline]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if ended.returncode:
        why = ended.stderr.strip().splitlines()
        raise Said(f"The evaluator could not judge it again: {why[-1] if why else f'it ended with {ended.returncode}'}")
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


def _show(terminal: Terminal, told: dict[str, Any]) -> None:
    if told["same"]:
        name = plain(Path(told["report_key"]).name)
        terminal.say(f"[green]The same[/green]: {told['bytes']} bytes of {name}, SHA-256 {told['sha256']}.")
        return
    if told["older"]:
        terminal.say("[yellow]An older version of Pushline wrote the report; it cannot come out the same.[/yellow]")
    differs = [(plain(each["field"]), plain(each["stored"]), plain(each["again"])) for each in told["differences"]]
    terminal.out.print(rows(("FIELD", "IN THE STORE", "AGAIN"), differs))
