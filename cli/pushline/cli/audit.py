"""`pushline audit tail`: every record of the line, as every reader judges it."""

import queue
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from pushline.cli.exits import Exit, Said
from pushline.cli.find_line import line_file_of
from pushline.cli.line_of_sight import open_line
from pushline.cli.options import Json, LineOption
from pushline.cli.sentences import sentence_of
from pushline.cli.terminal import Terminal, plain, terminal_of
from pushline.cli.times import when
from pushline.line.ledger import Judgement
from pushline.line.records import Record
from pushline.line.topics import BY_NAME

Folded = tuple[Record, tuple[Judgement, ...]]
LOOK_SECONDS = 0.5
STYLES = {"valid": "green", "invalid": "yellow", "kept": "cyan", "undecodable": "red", "newer": "red", "parked": "red"}

audit = typer.Typer(help="Read the line's records.", no_args_is_help=True)


@audit.callback()
def _audit() -> None:
    """Read the line's records."""


@audit.command()
def tail(
    context: typer.Context,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    topic: Annotated[str, typer.Option("--topic", metavar="NAME", help=f"Of one topic: {', '.join(BY_NAME)}.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="How many of the newest to begin with; 0 shows all.")] = 0,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Print the line's records: what each says and whether it counts. With --json a line each, with the value as it lies there."""
    if topic and topic not in BY_NAME:
        raise Said(f"No topic {topic!r}; there are {', '.join(BY_NAME)}.", Exit.USAGE)
    terminal = terminal_of(context)
    folded: queue.SimpleQueue[Folded] = queue.SimpleQueue()
    with open_line(line_file_of(terminal, line), lambda record, judged: folded.put((record, judged))):
        first = [item for item in _at_hand(folded) if topic in {"", item[0].topic}]
        for record, judged in first[-count:]:
            _show(terminal, record, judged, as_json=as_json)
        while follow:
            try:
                record, judged = folded.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            if topic in {"", record.topic}:
                _show(terminal, record, judged, as_json=as_json)


def _at_hand(folded: "queue.SimpleQueue[Folded]") -> Iterator[Folded]:
    while not folded.empty():
        yield folded.get()


def _show(terminal: Terminal, record: Record, judged: tuple[Judgement, ...], *, as_json: bool) -> None:
    own, released = judged[0], judged[1:]
    if as_json:
        terminal.json({**_plain(record, own), "released": [list(other.place) for other in released]})
        return
    place = f"{record.topic}/{record.partition}/{record.offset}"
    text = sentence_of(own.entry.event) if own.entry else own.sentence
    mark = "" if own.verdict == "valid" else f" [{STYLES[own.verdict]}]{own.verdict}{f' ({own.rule})' if own.rule else ''}[/]"
    time = when(record.timestamp_ms)[11:]
    terminal.say(f"[dim]{time:<9}{place:<14}[/dim]{mark} {plain(text)}")
    for other in released:
        terminal.say(f"[dim]{'':<16} now {other.verdict}: {'/'.join(map(str, other.place))}[/dim]")


def _plain(record: Record, own: Judgement) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "verdict": own.verdict,
        "rule": own.rule,
        "sentence": own.sentence,
        "id": own.entry.id if own.entry else "",
        "source": own.entry.source if own.entry else "",
        "value": _text(record.value),
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
