"""`pushline release`: end a hold."""

import typer

from pushline.cli import acts
from pushline.cli.options import Json, LineOption, Model
from pushline.cli.person import Act, Actor, DryRun, Reason, do, on_model, person
from pushline.cli.terminal import terminal_of


def release(
    context: typer.Context,
    *,
    model: Model,
    reason: Reason,
    actor: Actor = "",
    dry_run: DryRun = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """End a hold: the newest accepted run that rests goes live by itself."""
    do(terminal_of(context), line, Act(person(actor, reason), on_model(model, acts.release), dry_run=dry_run, as_json=as_json))
