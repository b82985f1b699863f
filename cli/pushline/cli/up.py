"""`pushline up`: the whole line on this machine, from one file."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.table import Table

from pushline.cli.config_writer import FirstModel, write_config
from pushline.cli.embedded_line import RunningLine, Wanted, embedded_line, read_config
from pushline.cli.exits import Exit, Said
from pushline.cli.find_line import DEFAULT
from pushline.cli.line_servers import Servers
from pushline.cli.options import Force, Json
from pushline.cli.terminal import Terminal, terminal_of

TEND_SECONDS = 0.2
WHERE_IT_LIES = {
    Servers.EMBEDDED: "All of it lies in {folder} and is gone when it ends (Ctrl-C).",
    Servers.REAL: "All of it lies in {folder}; stopped (Ctrl-C) and started again, it goes on from there.",
    Servers.GIVEN: "Its history lies on the servers that it was given. Ctrl-C ends it.",
}


def up(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The operator's file.")] = Path("line.toml"),
    write: Annotated[
        Path | None, typer.Option("--write-config", metavar="FILE", help="Write a commented operator's file and a secret, and end.")
    ] = None,
    repository: Annotated[str, typer.Option(help="With --write-config: the model's git repository, a URL or a path.")] = "",
    model: Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="With --write-config: the model's name.")] = "",
    branch: Annotated[str, typer.Option(help="With --write-config: the branch that is deployed.")] = "main",
    real: Annotated[
        bool,
        typer.Option("--real", help="With a real Apache Kafka and MinIO; what they hold stays in \\[up] state."),
    ] = False,
    given: Annotated[
        bool, typer.Option("--given", help="With the broker and the store that PUSHLINE_KAFKA and PUSHLINE_S3_* name.")
    ] = False,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Listen on any free ports instead of the usual ones.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    r"""Run the whole line on this machine until Ctrl-C or SIGTERM, with an embedded broker and object store unless told otherwise.

    Everything it knows lies in one folder (\[up] state). With --real that stays, and the next start goes on from it; without, it is
    gone when the line ends.
    """
    terminal = terminal_of(context)
    if write is not None:
        _write(terminal, write, FirstModel(model, as_named_here(repository), branch), force=force, as_json=as_json)
        return
    if not file.exists():
        raise Said(
            f"{file} does not exist. Write one: pushline up --write-config {file} --repository /path/to/repo.git --model NAME",
            Exit.BAD_FILE,
        )
    if real and given:
        raise Said("--real and --given exclude each other.", Exit.USAGE)
    servers = Servers.REAL if real else Servers.GIVEN if given else Servers.EMBEDDED
    wanted = Wanted(file, read_config(file), terminal.environ, free_ports, servers)
    with stop_signals() as stop, embedded_line(wanted, terminal.warn, stop.wait) as running:
        if running is not None:
            _ready(terminal, wanted, running, as_json=as_json)
            while not stop.wait(TEND_SECONDS):
                running.tend()
            terminal.warn("stopping")


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Set on SIGTERM, SIGINT and SIGHUP; a second one changes nothing, as stopping is bounded."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def as_named_here(repository: str) -> str:
    """Give the absolute path of a folder named from here: in the operator's file a path is relative to that file."""
    return str(Path(repository).resolve()) if repository and ":" not in repository else repository


def _write(terminal: Terminal, path: Path, model: FirstModel, *, force: bool, as_json: bool) -> None:
    if not model.name or not model.repository:
        raise Said("--write-config needs --repository and --model.", Exit.USAGE)
    secret = write_config(path, model, force=force)
    read_config(path)
    if as_json:
        terminal.json({"config": str(path), "secret": str(secret)})
        return
    terminal.say(f"wrote {path} and the webhook's secret {secret}\nNext: pushline up {path}")


def _ready(terminal: Terminal, wanted: Wanted, running: RunningLine, *, as_json: bool) -> None:
    line = running.line
    if as_json:
        terminal.json({"line": str(running.path), "ports": line.ports, "kafka": line.kafka, "s3": line.store.endpoint})
        return
    terminal.say(f"\n[bold]The line runs.[/bold] {WHERE_IT_LIES[wanted.servers].format(folder=running.path.parent)}\n")
    terminal.out.print(_places(running))
    terminal.say("\n[bold]Next[/bold]")
    for name, model in line.models.items():
        if Path(model.repository).is_dir():
            terminal.say(f"  pushline init {model.repository} --line {running.path}")
            terminal.say("      once, in a bare repository: a hook that tells the line of every push")
        terminal.say(f"  git push\n      to {model.branch} of {model.repository}: trains, judges and serves the model {name}")
    named = "" if running.path.resolve() == DEFAULT.resolve() else f" --line {running.path}"
    terminal.say(f"  pushline status{named}\n      what serves, and what is on its way")
    if not line.models:
        terminal.say(f"  {wanted.file} names no model yet")


def _places(running: RunningLine) -> Table:
    line = running.line
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    metrics = ", ".join(f"{service} {ports['metrics']}" for service, ports in line.ports.items() if "metrics" in ports)
    rows = {
        "predictions (gRPC)": f"{line.host}:{line.port('predictor', 'grpc')}",
        "history (web page)": line.url("auditor", "http", "/"),
        "webhooks (github, gitlab, gitea, bitbucket, pushline)": line.url("trainer", "webhook", "/webhooks/"),
        "broker (Kafka protocol)": line.kafka,
        "store (S3 protocol)": f"{line.store.endpoint} bucket {line.store.bucket}",
        "ports of /metrics, /readyz": metrics,
        "logs (JSON lines)": str(running.path.parent / "logs"),
    }
    for name, place in rows.items():
        table.add_row(f"[dim]{name}[/dim]", place)
    return table
