"""The command as an operator gives it who runs no `pushline up`: the line is found by settings."""

import io
import json
from typing import Any

from rich.console import Console

from pushline.cli.exits import Exit
from pushline.cli.main import run
from pushline.cli.terminal import Terminal


class Operator:
    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ

    def run(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        code = run(arguments, Terminal(Console(file=out, width=120), Console(file=err, width=400), self._environ))
        return code, out.getvalue(), err.getvalue()

    def told(self, *arguments: str) -> Any:
        code, out, err = self.run(*arguments, "--json")
        assert code == Exit.OK, err
        return json.loads(out)
