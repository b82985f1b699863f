"""`pushline hold`: let nothing go live by itself."""

import typer

from pushline.cli import acts
from pushline.cli.options import Json, LineOption, Model
from pushline.cli.person import Act, Actor, DryRun, Reason, do, on_model, person
from pushline.cli.terminal import terminal_of


def hold(
    context: typer.Context,
    *,
    model: Model,
    reason: Reason,
    actor: Actor = "",
    dry_run: DryRun = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Let nothing go live by itself until `pushline release`: what is accepted rests. Rollback and redeploy still work."""
    do(terminal_of(context), line, Act(person(actor, reason), on_model(model, acts.hold), dry_run=dry_run, as_json=as_json))
