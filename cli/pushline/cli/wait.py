"""`pushline wait`: until a commit is live, or is not going to be."""

from typing import Annotated

import typer

from pushline.cli.follow import patience
from pushline.cli.follow_view import follow_to_the_end, make_show
from pushline.cli.line_of_sight import line_in_sight
from pushline.cli.options import Json, LineOption, OfModel, Served
from pushline.cli.terminal import terminal_of


def wait(
    context: typer.Context,
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id or commit SHA; a prefix does.")],
    model: OfModel = "",
    served: Served = 1,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="Give up after this.")] = "2h",
    appear: Annotated[
        str, typer.Option("--appear", metavar="DURATION", help="How long a commit may be unknown to the line.")
    ] = "30s",
    log: Annotated[bool, typer.Option("--log", help="Also show what the training prints.")] = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Wait until a commit is live, and show its steps. The exit code says how it ended: 0 live, 10 rejected, 11 failed,
    12 superseded, 13 held, 14 time-out, 15 live before but replaced, 4 no such run. With --json a line each time something changed.
    """
    terminal = terminal_of(context)
    limits = patience(served, timeout, appear)
    with line_in_sight(terminal, line) as seen:
        follow_to_the_end(terminal, seen, (run, model), limits, make_show(terminal, log=log, as_json=as_json))
