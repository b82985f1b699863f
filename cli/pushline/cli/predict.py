"""`pushline predict`: ask the live model, and see which commit answered."""

import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from pushline.cli.exits import Exit, Said
from pushline.cli.find_line import line_file_of
from pushline.cli.inputs import ONE, read_input
from pushline.cli.options import Json, LineOption, OneModel
from pushline.cli.terminal import Terminal, plain, terminal_of
from pushline.client import Answer, BadRequest, Client, ModelNotFound, Options, PredictionFailed, Tls, Unauthenticated, Unavailable

STDIN = "-"
PROBABILITIES_SHOWN = 3
CODES: dict[type[PredictionFailed], Exit] = {
    BadRequest: Exit.BAD_FILE,
    ModelNotFound: Exit.NOT_FOUND,
    Unauthenticated: Exit.REFUSED,
    Unavailable: Exit.UNREACHABLE,
}


def predict(
    context: typer.Context,
    *,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="Rows as .json, .csv or .npz; - is standard input.")] = STDIN,
    model: OneModel = "",
    rows: Annotated[int, typer.Option("--rows", "-n", min=0, help="Only the first rows; 0 takes all.")] = 0,
    address: Annotated[str, typer.Option("--address", metavar="HOST:PORT", help="A predictor's gRPC; else that of the line.")] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS and believe the roots that gRPC carries.")] = False,
    ca: Annotated[Path | None, typer.Option("--ca", metavar="FILE", help="Speak TLS and believe the CAs of this PEM file.")] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="FILE", help="Speak TLS and show this certificate; goes with --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The certificate's key.")] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", envvar="PUSHLINE_TOKEN_FILE", metavar="FILE", help="Holds the bearer token.")
    ] = None,
    line: LineOption = None,
    as_json: Json = False,
) -> None:
    """Ask the live model: one prediction a row, and which commit answered.

    JSON: rows ([[1, 2], [3, 4]]) or, for several inputs, an object of rows by name. CSV: a row a line, a head is skipped.
    npz: x, or x.NAME for several inputs.
    """
    terminal = terminal_of(context)
    inputs = read_input("standard input" if file == STDIN else file, _bytes(file), rows)
    found = None if address else line_file_of(terminal, line)
    told = Options(tls=Tls(ca, certificate, key) if ca or certificate or key else tls)
    if token_file is not None:
        told["token_file"] = token_file
    address = f"{found.host}:{found.port('predictor', 'grpc')}" if found else address
    answer = _ask(address, _client(terminal, address, told), inputs, model)
    if as_json:
        terminal.json(_plain(answer))
    else:
        _show(terminal, answer)


def _bytes(file: str) -> bytes:
    if file == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Said(f"{file} cannot be read: {error.strerror}.", Exit.BAD_FILE) from None


def _client(terminal: Terminal, address: str, told: Options) -> Client:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            client = Client(address, **told)
        except OSError as error:
            raise Said(f"{error.filename} cannot be read: {error.strerror}.", Exit.BAD_FILE) from None
        except ValueError as error:
            raise Said(f"The predictor cannot be asked: {error}.", Exit.BAD_FILE) from None
    for each in warned:
        terminal.warn(f"warning: {each.message}")
    return client


def _ask(address: str, client: Client, inputs: dict[str, Any], model: str) -> Answer:
    one = inputs.get(ONE) if len(inputs) == 1 else None
    asked = inputs if one is None else one.reshape(1, -1) if one.ndim == 1 else one
    with client:
        try:
            return client.predict(asked, model or None)
        except PredictionFailed as error:
            raise Said(
                f"The predictor at {address} says {error.code}: {error.sentence}", CODES.get(type(error), Exit.FAILED)
            ) from None


def _plain(answer: Answer) -> dict[str, Any]:
    return {
        "labels": list(answer.labels),
        "y": answer.y.tolist(),
        "outputs": {name: array.tolist() for name, array in answer.outputs.items()},
        "answered_by": {
            "model": answer.model,
            "commit": answer.commit,
            "digest": answer.digest,
            "deploy_seq": answer.deploy_seq,
            "run_id": answer.run_id,
            "stale": answer.stale,
        },
    }


def _show(terminal: Terminal, answer: Answer) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("ROW", "LABEL" if answer.labels else "ANSWER", "PROBABILITIES, BY CLASS NUMBER" if answer.labels else ""):
        table.add_column(name)
    for number, row in enumerate(answer.y.reshape(len(answer.y), -1)):
        if answer.labels:
            table.add_row(str(number), f"[bold]{plain(answer.labels[number])}[/bold]", _likely(row))
        else:
            table.add_row(str(number), " ".join(f"{float(value):.6g}" for value in row), "")
    terminal.out.print(table)
    stale = "  [yellow]stale: not sure to be the newest[/yellow]" if answer.stale else ""
    by = f"{answer.model} commit {answer.commit[:10]}, digest {answer.digest[:12]}, deploy_seq {answer.deploy_seq}"
    terminal.say(f"[dim]answered by {plain(by)}[/dim]{stale}")


def _likely(row: Any) -> str:  # noqa: ANN401 - one row of an array
    if row.size == 1:
        return f"{float(row[0]):.4f}"
    order = np.argsort(-row.astype(np.float64))[:PROBABILITIES_SHOWN]
    return "  ".join(f"[dim]{index}:[/dim] {float(row[index]):.4f}" for index in order)
