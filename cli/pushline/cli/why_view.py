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
STYLES = {"live": "green", "held": "magenta", "superseded": "dim", "replaced": "dim", "older_than_fence": "dim"}


def as_plain(answer: Answer, notes: Sequence[str] = ()) -> dict[str, Any]:
    facts = [
        {"what": fact.what, "at": exactly(fact.at_ms), "place": fact.place, "who": fact.who, "topic": fact.topic,
         "partition": fact.partition, "offset": fact.offset}
        for fact in answer.facts
    ]  # fmt: skip
    return asdict(answer) | {"says": CAUSES[answer.cause].says, "facts": facts, "notes": list(notes)}


def show(terminal: Terminal, found: Sequence[Answer], notes: Sequence[str]) -> None:
    answer = found[0]
    sentence = _wrapped(terminal, answer.sentence, MOST_LINES)
    more = [_wrapped(terminal, line, 1)[0] for line in _bounded(list(_more(answer, found[1:], notes)))]
    table = _table(answer.facts)
    used = 1 + len(sentence) + len(more) + table.row_count + 5  # its head, and what stands between
    terminal.out.print(f"{_head(answer)}[{_style(answer)}]{answer.cause}[/]", *sentence, sep="\n", highlight=False)
    if answer.facts:
        terminal.out.print()
        terminal.out.print(table)
    if more:
        terminal.out.print("", *more, sep="\n", highlight=False)
    if answer.next_steps:
        terminal.out.print("", "[dim]NEXT[/dim]", *_steps(terminal, answer, HEIGHT - used), sep="\n", highlight=False)


def _head(answer: Answer) -> str:
    commit = f" {answer.commit[:10]}" if answer.commit else ""
    run = f"  run {answer.run_id[:8]}" if answer.run_id else ""
    return f"[bold]{plain(answer.model)}{commit}[/bold]{run}  " if answer.model or commit else ""


def _style(answer: Answer) -> str:
    if answer.cause.startswith("failed"):
        return "red"
    return STYLES.get(answer.cause, "cyan" if answer.run_id and not answer.outcome else "yellow")


def _wrapped(terminal: Terminal, text: str, most: int, indent: int = 0) -> list[str]:
    """Markup characters are escaped behind the wrapping, which counts what is seen."""
    wrapper = TextWrapper(terminal.out.width - indent, max_lines=most, placeholder=" …", break_on_hyphens=False)
    return [plain(line) for line in wrapper.wrap(visible(" ".join(text.split())))] or [""]


def _table(facts: Sequence[Fact]) -> Table:
    rows = [(_time(fact), fact.place, _who(fact), plain(" ".join(fact.what.split()))) for fact in facts]
    if len(rows) > MOST_FACTS:
        left_out = len(rows) - MOST_FACTS + 1
        rows[1 : 1 + left_out] = [("", "", "", f"[dim]… {left_out} more, shown by --json[/dim]")]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for at, name in enumerate(("WHEN", "RECORD", "WHO")):
        table.add_column(name, no_wrap=True, min_width=max((len(row[at]) for row in rows), default=0))
    table.add_column("WHAT", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        table.add_row(*row)
    return table


def _time(fact: Fact) -> str:
    """The time of today, else the day."""
    return shortly(when(fact.at_ms)).partition(" ")[0] or "-"


def _who(fact: Fact) -> str:
    name = visible(fact.who).partition(" <")[0].removeprefix("pushline/")
    return plain(name if len(name) <= WIDEST_WHO else f"{name[: WIDEST_WHO - 1]}…")


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
