"""The child in which models are prepared: `python -m pushline.predictor.preparing`, started by adapters/preparer.py.

Standard input is a socket, a line of JSON a message: first what to work with, then one request after the other. It gives way to
everybody (lowest priority, first to be killed for want of memory), and ends with its parent, or once a request takes too long.
"""

import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from pushline.objects.minio_store import MinioStore
from pushline.predictor.adapters.disk_cache import DiskCache
from pushline.predictor.adapters.litert_programs import check_program, needs, open_programs
from pushline.predictor.errors import LoadError, LoadRefused
from pushline.predictor.model_files import Bounds
from pushline.predictor.preparation import Preparation
from pushline.predictor.prepared import ModelFiles, Prepared

LEAST_NICE = 19
FIRST_TO_BE_KILLED = "1000"


def main() -> None:
    with socket.socket(fileno=0) as parent:
        asked = lines_of(parent)
        told = asked()
        give_way()
        preparation = built(told)
        answers: dict[str, Callable[[Any], Any]] = {
            "prepare": lambda plain: preparation.prepare(ModelFiles.read(plain)).plain,
            "try_out": lambda plain: preparation.try_out(Prepared.read(plain)),
        }
        while True:
            request = asked()
            signal.setitimer(signal.ITIMER_REAL, request["seconds"])  # SIGALRM ends the process, wherever it is
            signal.setitimer(signal.ITIMER_PROF, request["cpu_seconds"])  # SIGPROF likewise
            answer = answered(answers[request["what"]], request["of"])
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            parent.sendall(json.dumps(answer).encode() + b"\n")


def lines_of(parent: socket.socket) -> Callable[[], dict[str, Any]]:
    """Give what waits for the next message. A thread listens, so that the end of the parent is heard in the middle of work."""
    heard: SimpleQueue[bytes] = SimpleQueue()

    def listen() -> None:
        try:
            with parent.makefile("rb") as lines:
                for line in lines:
                    heard.put(line)
        finally:
            os._exit(0)  # also where it died with an answer unread, which is no end of the stream but an error

    threading.Thread(target=listen, name="parent", daemon=True).start()

    def next_message() -> dict[str, Any]:
        message: dict[str, Any] = json.loads(heard.get())
        return message

    return next_message


def give_way() -> None:
    os.nice(LEAST_NICE)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    Path("/proc/self/oom_score_adj").write_text(FIRST_TO_BE_KILLED, encoding="ascii")


def built(told: dict[str, Any]) -> Preparation:
    bounds = Bounds(**told["bounds"])
    return Preparation(
        MinioStore(**told["store"]),
        DiskCache(Path(told["cache"])),
        partial(check_program, max_bytes=bounds.max_program_bytes),
        open_programs,
        partial(needs, threads=told["threads"]),
        bounds,
    )


def answered(work: Callable[[Any], Any], of: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    try:
        return {"done": work(of)}
    except LoadError as error:
        kind = "refused" if isinstance(error, LoadRefused) else "postponed"
        return {kind: [error.reason, error.sentence]}


if __name__ == "__main__":
    main()
