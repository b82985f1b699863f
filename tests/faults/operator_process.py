"""An operator: `python -m tests.faults.operator_process` runs the command that each line of its input names, and tells its answer.

One process for many commands, so that two operators begin at one moment and not when an interpreter has started.
"""

import io
import json
import os
import sys

from rich.console import Console

from pushline.cli.main import run
from pushline.cli.terminal import Terminal


def main() -> None:
    for line in sys.stdin:
        out, err = io.StringIO(), io.StringIO()
        terminal = Terminal(Console(file=out, width=200), Console(file=err, width=200), dict(os.environ))  # noqa: TID251 - its own
        code = run(json.loads(line), terminal)
        sys.stdout.write(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
