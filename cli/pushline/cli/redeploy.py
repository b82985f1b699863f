"""`pushline redeploy`: put a model live that passed the check, barred or not."""

from typing import Annotated

import typer

from pushline.cli import acts
from pushline.cli.options import Json, LineOption, Model
from pushline.cli.person import Actor, Reason, do, person
from pushline.cli.terminal import terminal_of


def redeploy(
    context: typer.Context,
    *,
    model: Model,
    to: Annotated[str, typer.Option("--to", metavar="DIGEST|SHA|previous", help="What to put live; a prefix does.")],
    reason: Reason,
    actor: Actor = "",
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Put any model live whose files verify, a rolled back or rejected one too; lifts the bar that a rollback put on it."""
    terminal = terminal_of(context)
    do(terminal, line, model, person(actor, reason), lambda found, who: acts.redeploy(found, to, who), as_json=as_json)
