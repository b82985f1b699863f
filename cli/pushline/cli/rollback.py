"""`pushline rollback`: go back to what was live before."""

from typing import Annotated

import typer

from pushline.cli import acts
from pushline.cli.options import Json, LineOption, Model
from pushline.cli.person import Act, Actor, Decided, DryRun, Reason, do, person
from pushline.cli.targets import PREVIOUS, model_of
from pushline.cli.terminal import terminal_of
from pushline.line.ledger import Ledger


def rollback(
    context: typer.Context,
    *,
    model: Model,
    reason: Reason,
    to: Annotated[str, typer.Option("--to", metavar="DIGEST|SHA|previous", help="What to go back to; a prefix does.")] = PREVIOUS,
    actor: Actor = "",
    dry_run: DryRun = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Go back to a model that was live before. Nothing pushed until now returns by itself; what comes after it is barred."""

    def decide(ledger: Ledger, who: acts.Person) -> Decided:
        return Decided(acts.rollback(model_of(ledger, model), to, who, ledger.models.values()))

    do(terminal_of(context), line, Act(person(actor, reason), decide, dry_run=dry_run, as_json=as_json))
