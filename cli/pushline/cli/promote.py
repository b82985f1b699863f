"""`pushline promote`: put a run live whose verdict was inconclusive."""

from typing import Annotated

import typer

from pushline.cli.acts import Person
from pushline.cli.logs import find_run
from pushline.cli.options import Json, LineOption, OfModel
from pushline.cli.person import Act, Actor, Decided, DryRun, Reason, do, person
from pushline.cli.promotions import promote as promotion
from pushline.cli.terminal import terminal_of
from pushline.line.ledger import Ledger


def promote(
    context: typer.Context,
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id or commit SHA; a prefix does.")],
    reason: Reason,
    model: OfModel = "",
    actor: Actor = "",
    dry_run: DryRun = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Put a run live whose verdict was inconclusive: the gates could not tell, and a person can."""

    def decide(ledger: Ledger, who: Person) -> Decided:
        found = find_run(ledger, run, model)
        return Decided(*promotion(found.line, found.run_id, who))

    do(terminal_of(context), line, Act(person(actor, reason), decide, dry_run=dry_run, as_json=as_json))
