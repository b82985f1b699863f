"""`pushline status`: what serves, where, and what is on its way."""

from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.table import Table

from pushline.cli.as_of import ledger_as_of
from pushline.cli.dlq_accept import say_stops
from pushline.cli.find_line import line_file_of
from pushline.cli.line_of_sight import line_in_sight
from pushline.cli.options import AsOf, Json, LineOption
from pushline.cli.runs import STYLES, RunView, view_run
from pushline.cli.terminal import Terminal, plain, terminal_of
from pushline.cli.times import shortly, when
from pushline.line.events import NOTHING_LIVE
from pushline.line.ledger import Ledger, ModelLine


@dataclass(frozen=True, slots=True)
class ReplicaView:
    replica: str
    state: str
    deploy_seq: int
    digest: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ModelView:
    model: str
    live_digest: str
    commit: str
    deploy_seq: int
    since: str  # empty where the broker keeps no time
    kind: str
    on_hold: bool
    replicas: tuple[ReplicaView, ...]
    open_runs: tuple[RunView, ...]


def status(context: typer.Context, *, as_of: AsOf = "", line: LineOption = None, as_json: Json = False) -> None:
    """Show each model: what serves it since when, its replicas, and the runs on their way; by --as-of at an earlier moment."""
    terminal = terminal_of(context)
    if as_of:
        views = view_models(ledger_as_of(terminal, line_file_of(terminal, line), as_of))
    else:
        views = _views_now(terminal, line, say=not as_json)
    if as_json:
        terminal.json([asdict(view) for view in views])
    elif not views:
        terminal.say("No model had been pushed on this line by then." if as_of else "No model has been pushed on this line yet.")
    else:
        terminal.out.print(_table(views))
        _say_open(terminal, views)


def _views_now(terminal: Terminal, line: Path | None, *, say: bool) -> list[ModelView]:
    with line_in_sight(terminal, line) as seen:
        with seen.tail.read() as ledger:
            views = view_models(ledger)
        if say:
            say_stops(terminal, seen)
    return views


def view_models(ledger: Ledger) -> list[ModelView]:
    return [_view(line) for _, line in sorted(ledger.models.items())]


def _view(line: ModelLine) -> ModelView:
    newest = line.newest_deployed
    return ModelView(
        model=line.name,
        live_digest="" if line.live_digest == NOTHING_LIVE else line.live_digest,
        commit=line.live[0].commit.sha if line.live else "",
        deploy_seq=line.deploy_seq,
        since=when(newest.timestamp_ms) if newest else "",
        kind=newest.event.kind if newest else "",
        on_hold=line.on_hold,
        replicas=tuple(
            ReplicaView(name, entry.event.state, entry.event.deploy_seq, entry.event.digest, entry.event.sentence)
            for name, entry in sorted(line.served.items())
        ),
        open_runs=tuple(view_run(run) for run in line.runs if not run.outcome),
    )


def _table(views: list[ModelView]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("MODEL", "COMMIT", "DIGEST", "SEQ", "ACT", "SINCE", "REPLICAS", "OPEN"):
        table.add_column(name, no_wrap=name != "REPLICAS")
    for view in views:
        live = plain(view.live_digest[:12]) or "[dim]nothing[/dim]"
        kind = "on hold" if view.on_hold else view.kind
        cells = (live, str(view.deploy_seq), kind, shortly(view.since) or "-", _replicas(view), str(len(view.open_runs)))
        table.add_row(plain(view.model), plain(view.commit[:10]) or "-", *cells)
    return table


def _replicas(view: ModelView) -> str:
    current = sum(replica.state == "serving" and replica.deploy_seq == view.deploy_seq for replica in view.replicas)
    failed = sum(replica.state == "failed" for replica in view.replicas)
    text = f"{current}/{len(view.replicas)}"  # up to date, of all
    return f"{text}, [red]{failed} failed[/red]" if failed else text


def _say_open(terminal: Terminal, views: list[ModelView]) -> None:
    for view in views:
        for replica in view.replicas:
            if replica.state == "failed":
                what = plain(f"could not load deploy_seq {replica.deploy_seq}: {replica.sentence}")
                terminal.say(f"\n[red]{plain(replica.replica)}[/red] {what}")
        for run in view.open_runs:
            style = STYLES.get(run.stage, "cyan")
            stage = f"[{style}]{run.stage}[/{style}]"
            terminal.say(f"\n{plain(view.model)} {plain(run.commit[:10])} {stage}  (pushline logs {run.run_id[:8]} -f)")
