"""The `pushline` command: registers the commands, and turns every error into one sentence and an exit code."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence

import typer

from pushline.cli.audit import audit
from pushline.cli.demo import demo
from pushline.cli.doctor import doctor
from pushline.cli.emit import emit
from pushline.cli.exits import MEANINGS, Exit, Said
from pushline.cli.init import init
from pushline.cli.logs import logs
from pushline.cli.predict import predict
from pushline.cli.redeploy import redeploy
from pushline.cli.rollback import rollback
from pushline.cli.runs import runs
from pushline.cli.status import status
from pushline.cli.terminal import Terminal, make_terminal
from pushline.cli.up import up

SET_UP, WATCH, ACT = "Set up", "Watch", "Act"
COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    SET_UP: (doctor, demo, up, init),
    WATCH: (status, runs, logs),
    ACT: (emit, predict, rollback, redeploy),
}
EXIT_CODES = "Exit codes:\n\n" + "\n\n".join(f"{int(code)}  {meaning}" for code, meaning in MEANINGS.items())


def make_app() -> typer.Typer:
    app = typer.Typer(
        name="pushline",
        help="A git push becomes a trained, judged and serving model.",
        epilog=EXIT_CODES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
    )
    for panel, commands in COMMANDS.items():
        for command in commands:
            app.command(rich_help_panel=panel)(command)
    app.add_typer(audit, name="audit", rich_help_panel=WATCH)
    return app


def run(arguments: Sequence[str], terminal: Terminal) -> int:
    """Give the exit code."""
    try:
        make_app()(args=list(arguments), prog_name="pushline", obj=terminal)
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
