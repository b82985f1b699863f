"""An act that was not done: what it would do, and why, for a terminal or a machine."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.filesize import decimal
from rich.table import Table

from pushline.cli.foreseen import Foreseen
from pushline.cli.promotions import Judged
from pushline.cli.stored import Verified
from pushline.cli.terminal import Terminal, plain
from pushline.line.events import NOTHING_LIVE

SHOWN = 12  # characters of a digest


def show_foreseen(terminal: Terminal, seen: Foreseen, files: Verified, judged: Judged | None) -> None:
    event = seen.event
    terminal.say(plain(f"Would {_headline(seen)}."))
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for name, text in _rows(seen, files, judged):
        table.add_row(name, plain(text))
    for run in seen.runs:
        mark = "" if run.changes else " (as without it)"
        table.add_row("open run", plain(f"{run.run_id[:8]} of commit {run.commit[:10]}, {run.stage} now: {run.sentence}{mark}"))
    table.add_row("as", plain(f"{event.actor}, deploy_seq {event.deploy_seq}: {event.reason}"))
    terminal.out.print(table)
    terminal.say("Nothing was written.")


def foreseen_json(seen: Foreseen, files: Verified, judged: Judged | None) -> dict[str, Any]:
    verdict = {"baseline_digest": judged.event.baseline_digest, "now": judged.now} if judged else None
    return {"written": False, **asdict(seen), "files": asdict(files), "judged": verdict}


def _headline(seen: Foreseen) -> str:
    event = seen.event
    if event.kind == "hold":
        return f"hold {event.model}: nothing goes live by itself until it is released"
    if event.kind == "release":
        return f"release {event.model}" + ("" if seen.goes_live else "; no run waits to go live")
    return f"{event.kind}: {event.model} to {event.digest[:SHOWN]} of commit {event.commit.sha[:10]}"


def _rows(seen: Foreseen, files: Verified, judged: Judged | None) -> Iterator[tuple[str, str]]:
    yield "live now", _digest(seen.live_before)
    if seen.live_after != seen.live_before:
        yield "live then", _digest(seen.live_after)
    if files.objects:
        yield "files", f"{files.objects} objects, {decimal(files.bytes)}: all there, and what their digests say"
    if files.problem:
        yield "files", files.problem
    if judged is not None:
        against = "what is live now" if judged.now else f"{_digest(judged.event.baseline_digest)}, which is not what is live now"
        yield "verdict", f"inconclusive against {against}: {judged.event.sentence}"
    if seen.floor_after != seen.floor_before:
        yield "held back", f"everything pushed until now (generation {seen.floor_after}) returns by no run of its own"
    for name, digests in (("barred", seen.barred), ("bar lifted", seen.unbarred)):
        if digests:
            yield name, ", ".join(digest[:SHOWN] for digest in digests)


def _digest(digest: str) -> str:
    return "nothing" if digest == NOTHING_LIVE else digest[:SHOWN]
