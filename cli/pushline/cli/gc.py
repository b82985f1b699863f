"""`pushline gc`: remove what no run, deployment or retention rule needs."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from pushline.cli.exits import Exit, Said
from pushline.cli.garbage import Fate, Rules
from pushline.cli.line_of_sight import OpenLine, line_in_sight
from pushline.cli.options import Json, LineOption
from pushline.cli.sweeping import Seen, Swept, look, sweep
from pushline.cli.terminal import Terminal, plain, terminal_of
from pushline.objects.store import StoreError
from pushline.runtime.durations import parse_duration


@dataclass(slots=True)
class _Sum:
    objects: int = 0
    bytes: int = 0


def gc(
    context: typer.Context,
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Remove it; without this it is only shown.")] = False,
    keep: Annotated[
        int, typer.Option("--keep", min=1, metavar="N", help="Keep this many different models that went live, of each name.")
    ] = 10,
    keep_runs: Annotated[
        int, typer.Option("--keep-runs", min=0, metavar="N", help="Keep everything of this many newest runs of each model.")
    ] = 50,
    grace: Annotated[
        str,
        typer.Option("--grace", metavar="DURATION", help="Leave alone what is younger: files are stored before their event."),
    ] = "1d",
    unknown_runs: Annotated[
        bool,
        typer.Option("--unknown-runs", help="Remove runs that the log does not know as well: the log is whole, and no other line "
                     "uses this bucket."),
    ] = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Show what of the store nothing needs any more, and why the rest is kept; with --delete, remove it.

    Kept are the live model, the last N that went live, open and inconclusive runs, the newest runs, and whatever these need.
    """
    terminal, rules = terminal_of(context), Rules(keep, keep_runs, _grace(grace), unknown_runs)
    with line_in_sight(terminal, line) as seen:
        try:
            found = look(seen, rules)
            swept = _swept(terminal, seen, found, rules, quiet=as_json) if delete else None
        except StoreError as error:
            raise Said(f"The store does not answer: {error}.", Exit.UNREACHABLE) from None
    if as_json:
        terminal.json(_plain(found, swept))
    else:
        _show(terminal, found, swept)


def _grace(text: str) -> timedelta:
    try:
        return timedelta(seconds=parse_duration(text))
    except ValueError as error:
        raise Said(f"--grace: {error}.", Exit.USAGE) from None


def _swept(terminal: Terminal, seen: OpenLine, found: Seen, rules: Rules, *, quiet: bool) -> Swept:
    columns = (TextColumn("removing"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=terminal.err, transient=True, disable=quiet or not terminal.err.is_terminal) as bar:
        task = bar.add_task("", total=len(found.decision.garbage))
        return sweep(seen, found, rules, lambda count: bar.advance(task, count))


def _plain(found: Seen, swept: Swept | None) -> dict[str, Any]:
    kept = _sums(fate for fate in found.decision.fates if not fate.garbage)
    removed = {fate.object.key for fate in swept.removed} if swept else set()
    return {
        "deleted": swept is not None,
        "kept": [{"model": model, "why": why, "objects": sum_.objects, "bytes": sum_.bytes} for (model, why), sum_ in kept],
        "garbage": [
            {"key": fate.object.key, "bytes": fate.object.size, "why": fate.why, "removed": fate.object.key in removed}
            for fate in found.decision.garbage
        ],
        "left_alone": found.decision.left_alone,
        "written_again": list(swept.changed) if swept else [],
        "needed_again": list(swept.needed) if swept else [],
    }


def _sums(fates: Iterable[Fate]) -> list[tuple[tuple[str, str], _Sum]]:
    sums: defaultdict[tuple[str, str], _Sum] = defaultdict(_Sum)
    for fate in fates:
        one = sums[(fate.model, fate.why)]
        one.objects, one.bytes = one.objects + 1, one.bytes + fate.object.size
    return sorted(sums.items())


def _show(terminal: Terminal, found: Seen, swept: Swept | None) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("MODEL", "OBJECTS", "SIZE"):
        table.add_column(name, no_wrap=True, justify="left" if name == "MODEL" else "right")
    table.add_column("", no_wrap=True)
    table.add_column("WHY", ratio=1)
    for garbage, what in ((False, "kept"), (True, "[yellow]garbage[/yellow]")):
        for (model, why), one in _sums(fate for fate in found.decision.fates if fate.garbage == garbage):
            table.add_row(plain(model or "-"), str(one.objects), decimal(one.bytes), what, plain(why))
    terminal.out.print(table)
    for model, why in sorted(found.decision.left_alone.items()):
        terminal.say(f"[yellow]{plain(model)}[/yellow] is left alone: {plain(why)}.")
    terminal.say(_closing(found, swept))


def _closing(found: Seen, swept: Swept | None) -> str:
    if swept is None:
        what = _total(found.decision.garbage)
        return f"{what} would be removed; nothing was. --delete removes it." if found.decision.garbage else "There is no garbage."
    stayed = f"; {len(swept.changed) + len(swept.needed)} came into use meanwhile and stay" if swept.changed or swept.needed else ""
    return f"Removed {_total(swept.removed)}{stayed}."


def _total(fates: tuple[Fate, ...]) -> str:
    return f"{len(fates)} object{'' if len(fates) == 1 else 's'}, {decimal(sum(fate.object.size for fate in fates))}"
