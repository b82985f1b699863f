"""What the command line of `python -m pushline.predictor` asks for."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DESCRIPTION = (
    "Serves what is deployed; its settings are PUSHLINE_*. With --model it serves the one model of a folder over gRPC, "
    "without a line: no broker, no store, no other port."
)


@dataclass(frozen=True, slots=True)
class Asked:
    workers: str | None
    model: Path | None
    socket: Path | None
    grpc_port: str | None


def asked(words: Sequence[str]) -> Asked:
    """Ends the process, with 2 and a sentence, for words that make no sense."""
    parser = argparse.ArgumentParser("pushline.predictor", description=DESCRIPTION)
    parser.add_argument("--workers", metavar="N", help="processes that answer; instead of PUSHLINE_WORKERS")
    alone = parser.add_argument_group("one model of a folder")
    alone.add_argument("--model", metavar="FOLDER", type=Path, help="folder with manifest.json and the files that serve")
    alone.add_argument("--socket", metavar="PATH", type=Path, help="answer at unix:PATH, which this user alone may reach")
    alone.add_argument("--grpc-port", metavar="N", help="answer at this port of PUSHLINE_BIND instead; 0 takes any free one")
    said = parser.parse_args(words)
    doors = (said.socket is not None) + (said.grpc_port is not None)
    if said.model is None and doors:
        parser.error("--socket and --grpc-port go with --model")
    if said.model is not None and doors != 1:
        parser.error("--model: say where it is to be served, by --socket PATH or --grpc-port N")
    if said.model is not None and said.workers is not None:
        parser.error("--workers: a model of a folder is served by one process")
    return Asked(said.workers, said.model, said.socket, said.grpc_port)
