"""`pushline redeploy`: put a model live that passed the check, barred or not."""

from typing import Annotated

import typer

from pushline.cli import acts
from pushline.cli.options import Json, LineOption, Model
from pushline.cli.person import Act, Actor, Decided, DryRun, Reason, do, person
from pushline.cli.targets import model_of
from pushline.cli.terminal import terminal_of
from pushline.line.ledger import Ledger


def redeploy(
    context: typer.Context,
    *,
    model: Model,
    to: Annotated[str, typer.Option("--to", metavar="DIGEST|SHA|previous", help="What to put live; a prefix does.")],
    reason: Reason,
    actor: Actor = "",
    dry_run: DryRun = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Put any model live whose files verify, a rolled back or rejected one too; lifts the bar that a rollback put on it."""

    def decide(ledger: Ledger, who: acts.Person) -> Decided:
        return Decided(acts.redeploy(model_of(ledger, model), to, who, ledger.models.values()))

    do(terminal_of(context), line, Act(person(actor, reason), decide, dry_run=dry_run, as_json=as_json))
