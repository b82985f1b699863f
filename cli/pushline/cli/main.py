"""The `pushline` command: registers the commands, and turns every error into one sentence and an exit code."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import typer

from pushline.cli.exits import MEANINGS, Exit, Said
from pushline.cli.terminal import Terminal, make_terminal

# Each is a module of this package with one function, or group of commands, of the same name.
COMMANDS = {
    "Set up": ("doctor", "demo", "up", "init", "topics", "store"),
    "Watch": ("status", "why", "runs", "wait", "logs", "report", "compare", "verdict", "audit"),
    "Act": ("push", "emit", "predict", "rerun", "rollback", "redeploy", "promote", "hold", "release", "dlq", "gc"),
}
EXIT_CODES = "Exit codes:\n\n" + "\n\n".join(f"{int(code)}  {meaning}" for code, meaning in MEANINGS.items())


def make_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """Imports nothing but the command that is asked for, where one is: a git hook waits for it."""
    app = typer.Typer(
        name="pushline",
        help="A git push becomes a trained, judged and serving model.",
        epilog=EXIT_CODES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
    )
    asked = next((word for word in arguments if not word.startswith("-")), "")
    known = {name: panel for panel, names in COMMANDS.items() for name in names}
    for name in [asked] if asked in known else known:
        _register(app, name, known[name])
    app.callback()(_pushline)
    return app


def _pushline() -> None:
    """A git push becomes a trained, judged and serving model."""


def _register(app: typer.Typer, name: str, panel: str) -> None:
    command = getattr(import_module(f"pushline.cli.{name}"), name)
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, rich_help_panel=panel)
    else:
        app.command(name, rich_help_panel=panel)(command)


def run(arguments: Sequence[str], terminal: Terminal) -> int:
    """Give the exit code."""
    try:
        make_app(arguments)(args=list(arguments), prog_name="pushline", obj=terminal)
    except Said as said:
        _tell(terminal, said, as_json="--json" in arguments)
        return int(said.code)
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(Exit.OK)
    return int(Exit.OK)


def _tell(terminal: Terminal, said: Said, *, as_json: bool) -> None:
    if as_json:
        terminal.err.file.write(json.dumps({"error": said.sentence, "exit_code": int(said.code)}, ensure_ascii=False) + "\n")
    elif said.sentence:
        terminal.warn(f"pushline: {said.sentence}")


def main() -> None:
    environ: Mapping[str, str] = dict(os.environ)  # noqa: TID251 - the one place of this command that reads it
    sys.exit(run(sys.argv[1:], make_terminal(environ)))
