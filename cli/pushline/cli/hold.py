"""`pushline hold`: let nothing go live by itself."""

import typer

from pushline.cli import acts
from pushline.cli.options import Json, LineOption, Model
from pushline.cli.person import Act, Actor, Decided, DryRun, Reason, do, person
from pushline.cli.targets import model_of
from pushline.cli.terminal import terminal_of
from pushline.line.ledger import Ledger


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

    def decide(ledger: Ledger, who: acts.Person) -> Decided:
        return Decided(acts.hold(model_of(ledger, model), who))

    do(terminal_of(context), line, Act(person(actor, reason), decide, dry_run=dry_run, as_json=as_json))
