import io
from dataclasses import replace

import pytest
from rich.console import Console

from pushline.cli import status
from pushline.cli.follow import Look
from pushline.cli.follow_view import TextShow
from pushline.cli.runs import RunView, _table
from pushline.cli.terminal import Terminal, plain

HOSTILE = "\x1b]0;title\x07\x1b[2J[/bold] [red]done\x9b1m\u202e"
HARMLESS = "\\x1b]0;title\\x07\\x1b[2J[/bold] [red]done\\x9b1m\\u202e"


@pytest.fixture
def terminal() -> Terminal:
    return Terminal(Console(file=io.StringIO(), width=200), Console(file=io.StringIO(), width=200), {})


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_text_of_others_is_shown_as_it_is_and_obeyed_by_no_terminal(terminal: Terminal) -> None:
    terminal.say(plain(HOSTILE))
    terminal.warn(HOSTILE)

    assert shown(terminal.out) == shown(terminal.err) == f"{HARMLESS}\n"


def test_a_commit_message_cannot_write_outside_its_cell(terminal: Terminal) -> None:
    view = RunView(**dict.fromkeys(RunView.__slots__, ""))  # type: ignore[arg-type]  # only texts are shown here
    view = replace(view, attempt=1, stage="failed", message=HOSTILE, sentence=HOSTILE)

    terminal.out.print(_table([view]))

    assert shown(terminal.out).count(HARMLESS) == 2
    assert "\x1b" not in shown(terminal.out)


def test_nothing_of_a_record_reaches_the_terminal_as_it_is(terminal: Terminal) -> None:
    run = RunView(**dict.fromkeys(RunView.__slots__, HOSTILE))  # type: ignore[arg-type]  # only texts are shown here
    run = replace(run, attempt=1, stage="failed", outcome="failed", run_id="1", live=False)
    replica = status.ReplicaView(HOSTILE, "failed", 1, HOSTILE, HOSTILE)
    model = status.ModelView(HOSTILE, HOSTILE, HOSTILE, 1, "", "promote", False, (replica,), (run,))

    terminal.out.print(_table([run]))
    terminal.out.print(status._table([model]))
    status._say_open(terminal, [model])
    TextShow(terminal, log=True).look(Look(run, (("pushed", HOSTILE), ("closed", HOSTILE)), (HOSTILE,), HOSTILE, None))

    assert all(each.isprintable() or each == "\n" for each in shown(terminal.out) + shown(terminal.err))
