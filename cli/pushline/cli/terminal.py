"""What a command says and where: tables and sentences for people, JSON for machines, the environment it was started in."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

PIPE_WIDTH = 200  # a pipe has no width of its own; rich would cut lines at 80


@dataclass(frozen=True, slots=True)
class Terminal:
    out: Console
    err: Console
    environ: Mapping[str, str]

    def say(self, text: str) -> None:
        """Print text with markup; what others wrote goes in through `plain`."""
        self.out.print(text, soft_wrap=not self.out.is_terminal, highlight=False)

    def warn(self, text: str) -> None:
        self.err.print(visible(text), soft_wrap=not self.err.is_terminal, highlight=False, markup=False)

    def json(self, value: Any) -> None:  # noqa: ANN401 - any JSON value
        self.out.file.write(json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n")
        self.out.file.flush()


def visible(text: str) -> str:
    """Escape what a terminal would obey: text of others (a commit's message, a script's output) may hold anything."""
    return "".join(each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode() for each in text)


def plain(text: str) -> str:
    """Give text of others to be shown as it is: no markup, no control characters."""
    return escape(visible(text))


def make_terminal(environ: Mapping[str, str]) -> Terminal:
    out, err = Console(), Console(stderr=True)
    for console, stream in ((out, sys.stdout), (err, sys.stderr)):
        if not stream.isatty() and "COLUMNS" not in environ:
            console.width = PIPE_WIDTH
    return Terminal(out, err, environ)


def terminal_of(context: typer.Context) -> Terminal:
    terminal = context.obj
    if not isinstance(terminal, Terminal):
        raise TypeError("the command was started without a terminal")
    return terminal
