"""An operator: `python -m tests.faults.operator_process` runs the command that each line of its input names, and tells its answer.

One process for many commands, which says when it has decided and is about to write, and waits for a line: so two operators write at
one moment, each on what it saw before the other did anything. All else is the command as it is.
"""

import io
import json
import os
import sys
from typing import Any

from rich.console import Console

from pushline.cli import person, rerun
from pushline.cli.line_of_sight import OpenLine
from pushline.cli.main import run
from pushline.cli.terminal import Terminal
from pushline.line.events import Event
from pushline.line.writer import Published

_publish = person.publish


def tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def publish_when_told(line: OpenLine, event: Event, what: str) -> Published:
    tell({"decided": True})
    sys.stdin.readline()
    return _publish(line, event, what)


def main() -> None:
    for module in (person, rerun):
        module.publish = publish_when_told  # type: ignore[attr-defined] # what this process is for
    while line := sys.stdin.readline():
        out, err = io.StringIO(), io.StringIO()
        terminal = Terminal(Console(file=out, width=200), Console(file=err, width=200), dict(os.environ))  # noqa: TID251 - its own
        code = run(json.loads(line), terminal)
        tell({"code": code, "out": out.getvalue(), "err": err.getvalue()})


if __name__ == "__main__":
    main()
