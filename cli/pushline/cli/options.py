"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
LineOption = Annotated[
    Path | None,
    typer.Option(
        "--line",
        envvar="PUSHLINE_LINE",
        metavar="FILE",
        show_default=False,
        help="The line.json of a running `pushline up`. Without it: PUSHLINE_KAFKA and PUSHLINE_S3_* where they are set, "
        "else state/line.json.",
    ),
]
Model = Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="The model's name.")]
OneModel = Annotated[
    str,
    typer.Option("--model", "-m", metavar="NAME", show_default=False, help="The model; may be left out where there is only one."),
]
OfModel = Annotated[
    str,
    typer.Option("--model", "-m", metavar="NAME", show_default=False, help="The model; needed where several have this commit."),
]
AsOf = Annotated[
    str,
    typer.Option(
        "--as-of",
        metavar="TIME|AGO|PLACE",
        show_default=False,
        help="As it was then: a time (2026-11-30T09:00:00Z), so long ago (2h), or a record's place (topic/partition@offset).",
    ),
]
Served = Annotated[int, typer.Option("--served", min=0, metavar="N", help="Live means: this many replicas serve it.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")]
