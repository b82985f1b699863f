"""What this service is told from outside."""

import socket
from dataclasses import dataclass
from pathlib import Path

from pushline.runtime.durations import parse_duration, parse_size
from pushline.runtime.settings import LineSettings, ProcessSettings, StoreSettings, count, group, one_of, port, setting


def models(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def pause(text: str) -> float:
    return 0.0 if text in ("0", "0s") else parse_duration(text)


@dataclass(frozen=True)
class DoorSettings:
    grpc_port: int = setting("PUSHLINE_GRPC_PORT", default=8001, parse=port, help="port of gRPC; 0 takes any free one")
    rest_port: int = setting("PUSHLINE_REST_PORT", default=8000, parse=port, help="port of REST; 0 takes any free one")
    max_message_bytes: int = setting(
        "PUSHLINE_MAX_MESSAGE", default=16 << 20, parse=parse_size, help="largest request, such as 16MiB; a larger one is refused"
    )
    max_in_flight: int = setting(
        "PUSHLINE_MAX_IN_FLIGHT",
        default=128,
        parse=count,
        help="requests that wait for a model or are worked on by it, over REST for all models together; further ones are refused",
    )
    threads: int = setting("PUSHLINE_THREADS", default=2, parse=count, help="threads a model, for requests that take long")
    max_batch: int = setting(
        "PUSHLINE_MAX_BATCH", default=64, parse=count, help="most rows of requests that came together and are answered together"
    )
    body_seconds: float = setting(
        "PUSHLINE_BODY_TIMEOUT", default=10.0, parse=parse_duration, help="longest that the message of a call may take to come"
    )
    drain_seconds: float = setting(
        "PUSHLINE_DRAIN", default=0.5, parse=pause, help="time between NOT_SERVING and refusing calls, at a stop"
    )
    grace_seconds: float = setting("PUSHLINE_GRACE", default=10.0, parse=parse_duration, help="time for calls under way, at a stop")


def interpreter(text: str) -> Path | None:
    return Path(text) if text else None


@dataclass(frozen=True)
class TensorFlowSettings:
    python: Path | None = setting(
        "PUSHLINE_TENSORFLOW_PYTHON",
        default=None,
        parse=interpreter,
        help="Python that has TensorFlow, for models that have no serving program; empty: they are not served here",
    )
    memory_bytes: int = setting(
        "PUSHLINE_TENSORFLOW_MEMORY", default=4 << 30, parse=parse_size, help="memory of the process of one such model"
    )
    timeout_seconds: float = setting(
        "PUSHLINE_TENSORFLOW_TIMEOUT", default=30.0, parse=parse_duration, help="longest that such a model may take for an answer"
    )


@dataclass(frozen=True)
class Settings:
    cache: Path = setting("PUSHLINE_CACHE", parse=Path, help="folder for verified copies of what is served")
    models: frozenset[str] = setting(
        "PUSHLINE_MODELS", default=frozenset(), parse=models, help="models to serve, separated by commas; empty: all of the line"
    )
    replica: str = setting("PUSHLINE_REPLICA", default="", help="name of this replica; default: the machine's name")
    max_rows: int = setting("PUSHLINE_MAX_ROWS", default=65536, parse=count, help="most rows in one request")
    non_finite: str = setting(
        "PUSHLINE_NON_FINITE", default="refuse", parse=one_of("refuse", "allow"), help="NaN and infinities in inputs and answers"
    )
    max_program_bytes: int = setting(
        "PUSHLINE_MAX_PROGRAM", default=256 << 20, parse=parse_size, help="largest serving program that is fetched, such as 256MiB"
    )
    door: DoorSettings = group()
    tensorflow: TensorFlowSettings = group()
    line: LineSettings = group()
    store: StoreSettings = group()
    process: ProcessSettings = group(metrics_port=9104)

    @property
    def replica_name(self) -> str:
        return self.replica or socket.gethostname()
