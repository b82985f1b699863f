"""`pushline rollback`: go back to what was live before."""

from typing import Annotated

import typer

from pushline.cli import acts
from pushline.cli.options import Json, LineOption, Model
from pushline.cli.person import Actor, Reason, do, person
from pushline.cli.terminal import terminal_of


def rollback(
    context: typer.Context,
    *,
    model: Model,
    reason: Reason,
    to: Annotated[
        str, typer.Option("--to", metavar="DIGEST|SHA|previous", help="What to go back to; a prefix does.")
    ] = acts.PREVIOUS,
    actor: Actor = "",
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Go back to a model that was live before. Nothing pushed until now returns by itself; what comes after it is barred."""
    terminal = terminal_of(context)
    do(terminal, line, model, person(actor, reason), lambda found, who: acts.rollback(found, to, who), as_json=as_json)
