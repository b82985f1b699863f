"""`pushline release`: end a hold."""

import typer

from pushline.cli import acts
from pushline.cli.options import Json, LineOption, Model
from pushline.cli.person import Act, Actor, Decided, DryRun, Reason, do, person
from pushline.cli.targets import model_of
from pushline.cli.terminal import terminal_of
from pushline.line.ledger import Ledger


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

    def decide(ledger: Ledger, who: acts.Person) -> Decided:
        return Decided(acts.release(model_of(ledger, model), who))

    do(terminal_of(context), line, Act(person(actor, reason), decide, dry_run=dry_run, as_json=as_json))
