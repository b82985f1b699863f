"""Dead letters as a person sees them: anything may stand in them, so nothing reaches the terminal as it is."""

import base64
from typing import Any

from rich.table import Table

from pushline.cli.terminal import Terminal, plain, visible
from pushline.cli.times import shortly, when
from pushline.line.letters import Header, Letter

BYTES_A_ROW = 16
HEADERS_SHOWN, HEADER_SHOWN, ERROR_SHOWN = 40, 200, 160
MOSTLY = 0.9  # of a text's characters are printable


def letter_facts(letter: Letter) -> dict[str, Any]:
    """Without the bytes."""
    topic, partition, offset = letter.place
    return {
        "letter": letter.id,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "origin": {"topic": letter.origin[0], "partition": letter.origin[1], "offset": letter.origin[2]},
        "when": when(letter.timestamp_ms),
        "timestamp_ms": letter.timestamp_ms,
        "size": letter.size,
        "error": letter.error,
        "marks": [{"kind": mark.kind, "actor": mark.actor, "reason": mark.reason} for mark in letter.marks],
    }


def plain_letter(letter: Letter) -> dict[str, Any]:
    headers = [[name, None if data is None else data.decode("utf-8", "backslashreplace")] for name, data in letter.headers]
    return {
        **letter_facts(letter),
        "key": letter.key.decode("utf-8", "backslashreplace"),
        "headers": headers,
        "whole": letter.whole,
        "value_base64": base64.b64encode(letter.value).decode(),
    }


def show_table(terminal: Terminal, letters: list[Letter], of: int) -> None:
    marked = any(letter.marks for letter in letters)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("LETTER", "FROM", "COPY AT", "WHEN", "BYTES", *(["DONE"] if marked else [])):
        table.add_column(name, no_wrap=True, justify="right" if name == "BYTES" else "left")
    table.add_column("WHAT WAS WRONG", ratio=1, overflow="fold")
    for letter in letters:
        done = [_done(letter)] if marked else []
        cells = (_path(letter.origin), "/".join(map(str, letter.place[1:])), shortly(when(letter.timestamp_ms)) or "-")
        table.add_row(letter.id[:8], *cells, str(letter.size), *done, plain(_one_line(letter.error)[:ERROR_SHOWN]))
    terminal.out.print(table)
    if len(letters) < of:
        terminal.say(f"[dim]{of - len(letters)} more; -n {of} shows them[/dim]")


def show_letter(terminal: Terminal, letter: Letter, limit: int) -> None:
    for name, text in _facts(letter):
        terminal.say(f"[dim]{name:<9}[/dim] {plain(text)}")
    for name, data in letter.headers[:HEADERS_SHOWN]:
        terminal.say(f"[dim]header   [/dim] {plain(_header((name, data)))}")
    if len(letter.headers) > HEADERS_SHOWN:
        terminal.say(f"[dim]and {len(letter.headers) - HEADERS_SHOWN} more headers; --json shows all[/dim]")
    shown = letter.value[:limit]
    terminal.say("")
    terminal.out.print("\n".join(_rows(shown)), markup=False, highlight=False, soft_wrap=True)
    if len(shown) < len(letter.value):
        terminal.say(f"[dim]… {len(letter.value) - len(shown)} more bytes; --bytes {len(letter.value)} shows all[/dim]")


def _facts(letter: Letter) -> list[tuple[str, str]]:
    size = f"{letter.size} bytes" + ("" if letter.whole else f", of which {len(letter.value)} were kept")
    facts = [
        ("letter", letter.id),
        ("from", _path(letter.origin)),
        ("copy at", _path(letter.place)),
        ("when", when(letter.timestamp_ms) or "-"),
        ("wrong", letter.error),
        ("size", size),
        ("key", _header(("", letter.key)).removeprefix(": ")),
    ]
    return [*facts, *((mark.kind, f"by {mark.actor or 'somebody'}: {mark.reason}") for mark in letter.marks)]


def _rows(data: bytes) -> list[str]:
    """Text as text, anything else as hexadecimal numbers with the characters beside them."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        text = data[: error.start].decode() if error.start >= len(data) - 3 else ""  # a character that the limit cut
    if text and sum(each.isprintable() or each in "\n\t\r" for each in text) >= MOSTLY * len(text):
        return visible(text).split("\n")
    return [_hex(data, start) for start in range(0, len(data), BYTES_A_ROW)]


def _hex(data: bytes, start: int) -> str:
    row = data[start : start + BYTES_A_ROW]
    letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)  # noqa: PLR2004 - printable ASCII
    return f"{start:06x}  {row.hex(' '):<{BYTES_A_ROW * 3}} {letters}"


def _header(header: Header) -> str:
    name, data = header
    text = "" if data is None else data[:HEADER_SHOWN].decode("utf-8", "backslashreplace")
    more = f" … {len(data) - HEADER_SHOWN} more bytes" if data is not None and len(data) > HEADER_SHOWN else ""
    return f"{name}: {_one_line(text)}{more}"


def _done(letter: Letter) -> str:
    return f"[dim]{letter.marks[-1].kind}[/dim]" if letter.marks else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _path(place: tuple[str, int, int]) -> str:
    return "/".join(map(str, place))
