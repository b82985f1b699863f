"""`pushline dlq accept`: let a stage go on that too many undecodable records in a row have stopped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from pushline.cli.acts import Person
from pushline.cli.dlq_acts import append
from pushline.cli.exits import Exit, Said
from pushline.cli.find_line import line_file_of
from pushline.cli.line_of_sight import OpenLine, open_line
from pushline.cli.options import Json, LineOption
from pushline.cli.person import Actor, Reason, person
from pushline.cli.terminal import Terminal, plain, terminal_of
from pushline.line.broker import LineError, Place
from pushline.line.deadletters import MOST_IN_A_ROW
from pushline.line.ledger import Ledger, Stop
from pushline.line.letters import Accepted, accept, read_accepted
from pushline.line.topics import BY_NAME

READ_BACK_SECONDS = 30.0
LIMIT = "PUSHLINE_MOST_BAD_RECORDS"


@dataclass(frozen=True, slots=True)
class Row:
    """What is to be accepted: the longest row of undecodable records of a partition, up to its last one read."""

    place: Place
    count: int
    newest: int
    stage: str

    @property
    def path(self) -> str:
        return f"{self.place[0]}/{self.place[1]}"

    def facts(self, who: Person, *, written: bool) -> dict[str, Any]:
        return {
            "topic": self.place[0], "partition": self.place[1], "offset": self.newest, "in_a_row": self.count,
            "stage": self.stage, "actor": who.actor, "reason": who.reason, "written": written,
        }  # fmt: skip


def accept_row(
    context: typer.Context,
    *,
    topic: Annotated[str, typer.Option("--topic", metavar="NAME", help=f"The topic: {', '.join(BY_NAME)}.")],
    partition: Annotated[int, typer.Option("--partition", metavar="NUMBER", min=0, help="The partition of that topic.")],
    reason: Reason,
    actor: Actor = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be accepted.")] = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Let a stage go on that too many undecodable records in a row have stopped, up to the last one that lies there now.

    They go to the dead letters like any other. Mend what writes them first, or the stage stops again.
    """
    if topic not in BY_NAME:
        raise Said(f"No topic {topic!r}; there are {', '.join(BY_NAME)}.", Exit.USAGE)
    terminal, who = terminal_of(context), person(actor, reason)
    with open_line(line_file_of(terminal, line), beside=(BY_NAME[topic].dead_letters,)) as seen:
        with seen.tail.read() as ledger:
            row = to_accept(ledger, (topic, partition))
        if not dry_run:
            accept_it(seen, row, who)
    if as_json:
        terminal.json(row.facts(who, written=not dry_run))
    elif dry_run:
        terminal.say(plain(f"{row.path} would be accepted up to offset {row.newest}, {row.count} in a row. Nothing was written."))
    else:
        terminal.say(plain(f"{row.path} is accepted up to offset {row.newest}, {row.count} in a row: the {row.stage} goes on."))


def to_accept(ledger: Ledger, place: Place) -> Row:
    """Raises Said where the partition is not there, or holds nothing that could stop a stage."""
    topic, partition = place
    if partition >= ledger.partitions:
        raise Said(f"{topic} has no partition {partition}; the highest is {ledger.partitions - 1}.", Exit.NOT_FOUND)
    newest = ledger.bad_rows.newest(place)
    if newest < 0:
        raise Said(f"Nothing stops a stage on {topic}/{partition}: no undecodable records in a row wait there.", Exit.REFUSED)
    return Row(place, ledger.bad_rows.longest(place), newest, BY_NAME[topic].input_of)


def accept_it(line: OpenLine, row: Row, who: Person) -> None:
    """Append the mark and read it back. Raises Said."""
    record = append(line, accept(Accepted(row.place, row.newest, who.actor, who.reason)), "the mark")
    try:
        line.tail.wait_folded(record.topic, record.partition, record.offset, READ_BACK_SECONDS)
    except TimeoutError:
        raise Said("The mark was written and could not be read back in time; look at `pushline status`.", Exit.UNKNOWN) from None


def find_stops(line: OpenLine, environ: Mapping[str, str]) -> list[Stop]:
    """Give where a stage is stopped. The marks are read only where a row is too long. Raises LineError."""
    told = environ.get(LIMIT, "")
    most = int(told) if told.isascii() and told.isdigit() else MOST_IN_A_ROW
    with line.tail.read() as ledger:
        found = ledger.bad_rows.stops(most, BY_NAME)
    if not found:
        return []
    marks = read_accepted(line.log, sorted({stop.topic for stop in found}))
    with line.tail.read() as ledger:
        for mark in marks:
            ledger.bad_rows.accept(mark.place, mark.offset)
        return ledger.bad_rows.stops(most, BY_NAME)


def say_stops(terminal: Terminal, line: OpenLine) -> None:
    """Say each stop, and where it cannot be known. For people: nothing where there is none."""
    try:
        stops = find_stops(line, terminal.environ)
    except LineError as error:
        terminal.say(f"\n[red]Whether a stage is stopped[/red] {plain(f'by undecodable records cannot be read: {error}')}")
        return
    for stop in stops:
        terminal.say(f"\n[red]{BY_NAME[stop.topic].input_of} stopped[/red] {plain(str(stop))}")
