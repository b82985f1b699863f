"""`pushline rerun`: train a commit once more."""

from dataclasses import asdict
from typing import Annotated

import typer

from pushline.cli.acts import rerun_of, rerun_prospect
from pushline.cli.exits import Exit, Said
from pushline.cli.follow import patience
from pushline.cli.follow_view import follow_to_the_end, make_show
from pushline.cli.line_of_sight import OpenLine, line_in_sight
from pushline.cli.logs import find_run
from pushline.cli.options import Json, LineOption, OfModel, Served
from pushline.cli.person import Actor, Reason, person, publish
from pushline.cli.races import lost_rerun
from pushline.cli.terminal import Terminal, plain, terminal_of
from pushline.line.events import CommitPushed


def rerun(
    context: typer.Context,
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id or commit SHA; a prefix does.")],
    reason: Reason,
    actor: Actor = "",
    model: OfModel = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written, and what becomes of it.")] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Follow the new run to its end, as `pushline wait` does.")] = False,
    served: Served = 1,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="With --wait: give up after this.")] = "2h",
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Train a commit again: a new run of the same push, with an outcome of its own. It is no newer commit."""
    terminal = terminal_of(context)
    who, limits = person(actor, reason), patience(served, timeout, "30s")
    with line_in_sight(terminal, line) as seen:
        with seen.tail.read() as ledger:
            found = find_run(ledger, run, model)
            event, prospect = rerun_of(found, who), rerun_prospect(found)
        if not dry_run:
            publish_rerun(seen, event)
        _tell(terminal, event, prospect, written=not dry_run, as_json=as_json)
        if wait and not dry_run:
            follow_to_the_end(terminal, seen, (event.run_id, ""), limits, make_show(terminal, log=False, as_json=as_json))


def publish_rerun(seen: OpenLine, event: CommitPushed) -> None:
    """Raises Said where it did not count."""
    published = publish(seen, event, "rerun")
    if published.counted:
        return
    with seen.tail.read() as ledger:
        raise Said(lost_rerun(ledger.models[event.model], event, published.rule or published.sentence), Exit.REFUSED)


def _tell(terminal: Terminal, event: CommitPushed, prospect: str, *, written: bool, as_json: bool) -> None:
    if as_json:
        terminal.json({"written": written, "event": asdict(event), "prospect": prospect})
        return
    does = "rerun" if written else "would rerun"
    of = f"commit {event.commit.sha[:10]} of {event.model}"
    terminal.say(plain(f"{does}: {of}, generation {event.generation}, attempt {event.attempt}, as run {event.run_id}."))
    if prospect:
        terminal.say(f"[yellow]{plain(prospect)}[/yellow]")
