"""`pushline dlq`: look at bytes that were no event, put them back, or be done with them."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from pushline.cli.dlq_accept import accept_row, say_stops
from pushline.cli.dlq_acts import Act, Put, drop_letters, put_back, trial
from pushline.cli.dlq_view import letter_facts, plain_letter, show_letter, show_table
from pushline.cli.exits import Exit, Said
from pushline.cli.line_of_sight import OpenLine, line_in_sight
from pushline.cli.options import Json, LineOption
from pushline.cli.person import Actor, Reason, person
from pushline.cli.terminal import Terminal, plain, terminal_of
from pushline.line.broker import LineError
from pushline.line.letters import Letter, read_letters
from pushline.line.topics import BY_NAME

SHORTEST_PREFIX = 4
MANY = 50

Named = Annotated[
    list[str], typer.Argument(metavar="LETTER...", help="A letter's id or a prefix of it, or where it came from: commit/0/12.")
]
OneNamed = Annotated[
    str, typer.Argument(metavar="LETTER", help="A letter's id or a prefix of it, or where it came from: commit/0/12.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Again = Annotated[bool, typer.Option("--again", help="Also what is marked as replayed or dropped already.")]

dlq = typer.Typer(help="Dead letters: bytes on the line's topics that were no event.", no_args_is_help=True)
dlq.command("accept")(accept_row)


@dlq.callback()
def _dlq() -> None:
    """Dead letters: bytes on the line's topics that were no event."""


@dlq.command("list")
def list_letters(
    context: typer.Context,
    *,
    topic: Annotated[str, typer.Option("--topic", metavar="NAME", help=f"From one topic: {', '.join(BY_NAME)}.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many, newest first.")] = MANY,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were replayed or dropped.")] = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """List dead letters, newest first: where each came from, how large it is and what was wrong with it."""
    if topic and topic not in BY_NAME:
        raise Said(f"No topic {topic!r}; there are {', '.join(BY_NAME)}.", Exit.USAGE)
    terminal = terminal_of(context)
    with line_in_sight(terminal, line) as seen:
        letters = [letter for letter in _read(seen) if topic in {"", letter.origin[0]} and (everything or not letter.marks)]
        if not as_json:
            say_stops(terminal, seen)
    letters.sort(key=lambda letter: (letter.timestamp_ms, letter.place), reverse=True)
    if as_json:
        terminal.json([letter_facts(letter) for letter in letters[:count]])
    elif not letters:
        terminal.say("No dead letter is open." if not everything else "There is no dead letter.")
    else:
        show_table(terminal, letters[:count], len(letters))


@dlq.command()
def show(
    context: typer.Context,
    *,
    letter: OneNamed,
    limit: Annotated[int, typer.Option("--bytes", min=0, help="How much of the value to show.")] = 2000,
    raw: Annotated[bool, typer.Option("--raw", help="Write the value's bytes as they are, and nothing else.")] = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Show one dead letter: where it came from, what was wrong, its headers and bytes, with controls escaped."""
    terminal = terminal_of(context)
    with line_in_sight(terminal, line) as seen:
        (found,) = _named(seen, [letter])
    if raw:
        sys.stdout.buffer.write(found.value)
    elif as_json:
        terminal.json(plain_letter(found))
    else:
        show_letter(terminal, found, limit)


@dlq.command()
def replay(
    context: typer.Context,
    *,
    letters: Named,
    reason: Reason,
    actor: Actor = "",
    yes: Yes = False,
    again: Again = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how the line would judge it now.")] = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Put letters back: the same bytes, key and headers at the end of their topic, where they are judged like any late record.

    What is still no event is refused, as it would only come back as another dead letter.
    """
    terminal = terminal_of(context)
    act = Act(person(actor, reason), again=again)
    with line_in_sight(terminal, line) as seen:
        found = _named(seen, letters)
        tried = [trial(seen, letter, act) for letter in found]
        if dry_run:
            _tell(terminal, tried, as_json=as_json)
            return
        _ask(terminal, "replay", [(put.letter, f"would be {put.verdict}") for put in tried], yes=yes)
        _tell(terminal, [put_back(seen, letter, act) for letter in found], as_json=as_json)


@dlq.command()
def drop(
    context: typer.Context,
    *,
    letters: Named,
    reason: Reason,
    actor: Actor = "",
    yes: Yes = False,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Be done with letters: a mark with your name and reason follows each in its topic, and `list` shows it with --all alone.

    Nothing is deleted: a log keeps what was written.
    """
    terminal = terminal_of(context)
    who = person(actor, reason)
    with line_in_sight(terminal, line) as seen:
        found = _named(seen, letters)
        _ask(terminal, "drop", [(letter, letter.error) for letter in found], yes=yes)
        dropped = drop_letters(seen, found, who)
    if as_json:
        terminal.json([{"letter": letter.id, "actor": who.actor, "reason": who.reason} for letter in dropped])
        return
    for letter in dropped:
        terminal.say(f"dropped {letter.id[:8]} from {'/'.join(map(str, letter.origin))}; `pushline dlq list --all` still shows it.")


def _read(seen: OpenLine, wanted: list[str] | None = None) -> list[Letter]:
    try:
        return read_letters(seen.log, lambda letter: bool(wanted) and any(_fits(letter, name) for name in wanted or ()))
    except LineError as error:
        raise Said(f"The dead letters cannot be read: {error}.", Exit.UNREACHABLE) from None


def _named(seen: OpenLine, names: list[str]) -> list[Letter]:
    """Give each named letter once. Raises Said where one names none or several."""
    for name in names:
        if len(name) < SHORTEST_PREFIX:
            raise Said(f"{name!r} is too short: give at least {SHORTEST_PREFIX} characters of a letter's id.", Exit.USAGE)
    letters = _read(seen, names)
    found: dict[str, Letter] = {}
    for name in names:
        fitting = [letter for letter in letters if _fits(letter, name)]
        if not fitting:
            raise Said(f"No dead letter is or comes from {name!r}; `pushline dlq list --all` shows them.", Exit.NOT_FOUND)
        if len(fitting) > 1:
            raise Said(f"{name!r} fits several letters: {', '.join(letter.id for letter in fitting[:5])}.", Exit.USAGE)
        found[fitting[0].id] = replace(fitting[0])
    return list(found.values())


def _fits(letter: Letter, name: str) -> bool:
    return letter.id.startswith(name) or "/".join(map(str, letter.origin)) == name


def _ask(terminal: Terminal, what: str, letters: list[tuple[Letter, str]], *, yes: bool) -> None:
    """Raises Said where nobody can be asked, or says no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Said(f"Nothing changed: nobody can be asked here; say --yes to {what}.", Exit.USAGE)
    for letter, why in letters:
        terminal.say(f"  {letter.id[:8]} from {'/'.join(map(str, letter.origin))}, {letter.size} bytes: {plain(why)}")
    answer = input(f"{what.capitalize()} {'it' if len(letters) == 1 else f'these {len(letters)}'}? [y/N] ")
    if answer.strip().lower() not in {"y", "yes"}:
        raise Said("Nothing changed.", Exit.REFUSED)


def _tell(terminal: Terminal, told: list[Put], *, as_json: bool) -> None:
    if as_json:
        terminal.json([put.facts for put in told])
        return
    for put in told:
        terminal.say(plain(put.sentence))
