"""An answer on one screen of 80 by 24, and as plain data."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import TextWrapper
from typing import Any

from rich.table import Table

from pushline.cli.terminal import Terminal, plain, visible
from pushline.cli.times import exactly, shortly, when
from pushline.line.why import CAUSES, Answer, Fact

HEIGHT = 23  # and the prompt
MOST_LINES, MOST_FACTS, MOST_MORE, MOST_STEPS = 4, 6, 3, 3
WIDEST_WHO = 12
HEAD = ("WHEN", "RECORD", "WHO")
STYLES = {"live": "green", "held": "magenta", "superseded": "dim", "replaced": "dim", "older_than_fence": "dim"}


def as_plain(answer: Answer, notes: Sequence[str] = ()) -> dict[str, Any]:
    facts = [
        {"what": fact.what, "at": exactly(fact.at_ms), "place": fact.place, "who": fact.who, "topic": fact.topic,
         "partition": fact.partition, "offset": fact.offset}
        for fact in answer.facts
    ]  # fmt: skip
    plainly = {name: value for name, value in asdict(answer).items() if name != "since_ms"}
    since = exactly(answer.since_ms)
    return plainly | {"says": CAUSES[answer.cause].says, "since": since, "facts": facts, "notes": list(notes)}


def show(terminal: Terminal, found: Sequence[Answer], notes: Sequence[str]) -> None:
    answer = found[0]
    sentence = _wrapped(terminal, " ".join(answer.sentence.split()), MOST_LINES)
    more = [_wrapped(terminal, " ".join(line.split()), 1)[0] for line in _bounded(list(_more(answer, found[1:], notes)))]
    table = _table(terminal, answer.facts)
    used = 1 + len(sentence) + len(more) + table.row_count + 5  # its head, and what stands between
    since = f"  since {shortly(when(answer.since_ms))}" if when(answer.since_ms) else ""
    terminal.out.print(f"{_head(answer)}[{_style(answer)}]{answer.cause}[/]{since}", *sentence, sep="\n", highlight=False)
    if answer.facts:
        terminal.out.print()
        terminal.out.print(table)
    if more:
        terminal.out.print("", *more, sep="\n", highlight=False)
    if answer.next_steps:
        terminal.out.print("", "[dim]NEXT[/dim]", *_steps(terminal, answer, HEIGHT - used), sep="\n", highlight=False)


def _head(answer: Answer) -> str:
    named = " ".join(filter(None, (answer.model, answer.commit[:10])))
    run = f"  run {answer.run_id[:8]}" if answer.run_id else ""
    return f"[bold]{plain(named)}[/bold]{run}  " if named else ""


def _style(answer: Answer) -> str:
    if answer.cause.startswith("failed"):
        return "red"
    return STYLES.get(answer.cause, "cyan" if answer.run_id and not answer.outcome else "yellow")


def _wrapped(terminal: Terminal, text: str, most: int, indent: int = 0) -> list[str]:
    """Markup characters are escaped behind the wrapping, which counts what is seen."""
    wrapper = TextWrapper(terminal.out.width - indent, max_lines=most, placeholder=" …", break_on_hyphens=False)
    return [plain(line) for line in wrapper.wrap(visible(text))] or [""]


def _table(terminal: Terminal, facts: Sequence[Fact]) -> Table:
    rows = [(_time(fact), fact.place, _who(fact)) for fact in facts]
    widths = [max(len(name), *(len(row[at]) for row in rows)) for at, name in enumerate(HEAD)] if rows else []
    room = terminal.out.width - sum(
        width + 2 for width in widths
    )  # what is cut by rich has no sign of it beside columns that keep theirs
    cells = [
        (*map(plain, row), plain(_cut(" ".join(visible(fact.what).split()), room))) for row, fact in zip(rows, facts, strict=True)
    ]
    if len(cells) > MOST_FACTS:
        left_out = len(cells) - MOST_FACTS + 1
        cells[1 : 1 + left_out] = [("", "", "", f"[dim]… {left_out} more, shown by --json[/dim]")]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in (*HEAD, "WHAT"):
        table.add_column(name, no_wrap=True)
    for row in cells:
        table.add_row(*row)
    return table


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(0, room - 1)]}…"


def _time(fact: Fact) -> str:
    """The time of today, else the day."""
    return shortly(when(fact.at_ms)).partition(" ")[0] or "-"


def _who(fact: Fact) -> str:
    name = visible(fact.who).partition(" <")[0].removeprefix("pushline/")
    return _cut(name, WIDEST_WHO)


def _more(answer: Answer, others: Sequence[Answer], notes: Sequence[str]) -> Iterator[str]:
    yield from notes
    serving = [each.name for each in answer.replicas if each.state == "serving"]
    if serving:
        yield f"served by {', '.join(serving)}"
    yield from (f"{each.name} could not load it: {each.sentence}" for each in answer.replicas if each.state != "serving")
    yield from (f"attempt {other.attempt}, run {other.run_id[:8]}: {other.cause}: {other.sentence}" for other in others)


def _bounded(lines: list[str]) -> list[str]:
    left_out = len(lines) - MOST_MORE + 1
    return lines if len(lines) <= MOST_MORE else [*lines[: MOST_MORE - 1], f"… {left_out} more, shown by --json"]


def _steps(terminal: Terminal, answer: Answer, room: int) -> list[str]:
    """A long one takes two lines where there is room for all of them."""
    for most in (2, 1):
        lines = [f"  {line}" for step in answer.next_steps[:MOST_STEPS] for line in _wrapped(terminal, step, most, indent=2)]
        if len(lines) <= room:
            break
    return lines
