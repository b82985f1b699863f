"""`pushline runs`: every commit, how far it came, and why it stopped."""

from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.table import Table

from pushline.cli.line_of_sight import line_in_sight
from pushline.cli.options import Json, LineOption, OneModel
from pushline.cli.targets import model_of
from pushline.cli.terminal import plain, terminal_of
from pushline.cli.times import when
from pushline.line.ledger import Ledger, Run

STYLES = {
    "deployed": "green",
    "rejected": "yellow",
    "failed": "red",
    "superseded": "dim",
    "held": "magenta",
    "training": "cyan",
    "evaluating": "cyan",
    "deciding": "cyan",
}


@dataclass(frozen=True, slots=True)
class RunView:
    run_id: str
    model: str
    generation: int
    attempt: int
    commit: str
    author: str
    message: str
    pushed: str  # empty where the broker keeps no time
    stage: str
    outcome: str
    reason: str
    sentence: str
    digest: str
    live: bool


def runs(
    context: typer.Context,
    *,
    model: OneModel = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many, newest first.")] = 20,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """List runs, newest first: one row a commit, the stage it reached, and why it stopped."""
    terminal = terminal_of(context)
    with line_in_sight(terminal, line) as seen, seen.tail.read() as ledger:
        views = view_runs(ledger, model)[:count]
    if as_json:
        terminal.json([asdict(view) for view in views])
    elif not views:
        terminal.say("No run yet: nothing has been pushed.")
    else:
        terminal.out.print(_table(views))


def view_runs(ledger: Ledger, model: str = "") -> list[RunView]:
    """Newest first, model by model."""
    lines = [model_of(ledger, model)] if model else [line for _, line in sorted(ledger.models.items())]
    return [view_run(run) for line in lines for run in reversed(line.runs)]


def view_run(run: Run) -> RunView:
    digest = run.trained.event.digest if run.trained else ""
    return RunView(
        run_id=run.run_id,
        model=run.model,
        generation=run.generation,
        attempt=run.attempt,
        commit=run.commit.sha,
        author=run.commit.author,
        message=run.commit.message.partition("\n")[0],
        pushed=when(run.push.timestamp_ms),
        stage=run.stage,
        outcome=run.outcome,
        reason=run.reason,
        sentence=run.sentence,
        digest=digest,
        live=bool(run.line.live) and run.line.live[0].run_id == run.run_id,
    )


def _table(views: list[RunView]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("MODEL", "RUN", "COMMIT", "STAGE"):
        table.add_column(name, no_wrap=True)
    table.add_column("MESSAGE, AND WHY IT STOPPED", ratio=1)
    for view in views:
        style = STYLES.get(view.stage, "")
        stage = f"[{style}]{view.stage}[/{style}]" + (" [bold green]live[/bold green]" if view.live else "")
        number = view.run_id[:8] + (f" #{view.attempt}" if view.attempt > 1 else "")
        table.add_row(plain(view.model), number, plain(view.commit[:10]), stage, _text(view))
    return table


def _text(view: RunView) -> str:
    why = "" if view.outcome == "deployed" else view.sentence.strip().partition("\n")[0] or view.reason
    return plain(view.message) + (f"\n[yellow]{plain(why)}[/yellow]" if why else "")
