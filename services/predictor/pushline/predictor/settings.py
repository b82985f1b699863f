"""What this service is told from outside."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pushline.predictor import model_limits
from pushline.predictor.model_limits import NO_LIMITS, ModelLimits
from pushline.runtime.durations import parse_duration, parse_size
from pushline.runtime.http_limits import HttpLimits
from pushline.runtime.settings import (
    LineSettings,
    ProcessSettings,
    StoreSettings,
    count,
    describe,
    group,
    one_of,
    port,
    setting,
    yes_or_no,
)
from pushline.runtime.tls import TlsSettings

MOST_WORKERS = 64
SWITCH_SECONDS = 0.0005  # that a thread which loads may keep the interpreter to itself while one that answers waits for it


def models(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def pause(text: str) -> float:
    return 0.0 if text in ("0", "0s") else parse_duration(text)


@dataclass(frozen=True)
class GrpcLimits:
    connection_seconds: float = setting(
        "PUSHLINE_CONNECTION_AGE",
        default=1800.0,
        parse=parse_duration,
        help="gRPC: how old a connection gets; then its client resolves the name again and finds new replicas",
    )
    idle_seconds: float = setting(
        "PUSHLINE_CONNECTION_IDLE",
        default=300.0,
        parse=parse_duration,
        help="gRPC: how long a connection without calls is kept; its client makes another at its next call",
    )
    max_connections: int = setting(
        "PUSHLINE_MAX_GRPC_CONNECTIONS",
        default=4096,
        parse=count,
        help="gRPC: connections at once; a further one is closed as soon as it comes",
    )
    max_metadata_bytes: int = setting(
        "PUSHLINE_MAX_METADATA", default=16 << 10, parse=parse_size, help="gRPC: largest metadata of a call"
    )
    max_streams: int = setting(
        "PUSHLINE_MAX_STREAMS",
        default=256,
        parse=count,
        help="gRPC: calls at once on one connection; further ones wait in their client, so that little has to be refused. "
        "Below PUSHLINE_MAX_IN_FLIGHT, one slow model can hold all of them",
    )
    ping_seconds: float = setting(
        "PUSHLINE_PING_INTERVAL", default=5.0, parse=parse_duration, help="gRPC: clients that ping more often are sent away"
    )


@dataclass(frozen=True)
class RestLimits:
    max_connections: int = setting(
        "PUSHLINE_MAX_CONNECTIONS",
        default=512,
        parse=count,
        help="REST: connections at once; a further one takes the place of one that waits for its client",
    )
    header_seconds: float = setting(
        "PUSHLINE_HEADER_TIMEOUT",
        default=10.0,
        parse=parse_duration,
        help="longest that headers over REST may take to come, and over gRPC the greeting of a new connection, TLS included",
    )
    idle_seconds: float = setting(
        "PUSHLINE_IDLE_TIMEOUT", default=5.0, parse=parse_duration, help="REST: how long a connection is kept between two requests"
    )
    answer_seconds: float = setting(
        "PUSHLINE_ANSWER_TIMEOUT", default=30.0, parse=parse_duration, help="REST: longest that an answer may take, then 504"
    )

    @property
    def of_server(self) -> HttpLimits:
        return HttpLimits(self.max_connections, self.header_seconds, self.idle_seconds)


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
        "PUSHLINE_BODY_TIMEOUT",
        default=10.0,
        parse=parse_duration,
        help="longest that a request's message or body may take to come",
    )
    drain_seconds: float = setting(
        "PUSHLINE_DRAIN", default=0.5, parse=pause, help="time between NOT_SERVING and refusing calls, at a stop"
    )
    grace_seconds: float = setting("PUSHLINE_GRACE", default=10.0, parse=parse_duration, help="time for calls under way, at a stop")
    reflection: bool = setting("PUSHLINE_REFLECTION", default=True, parse=yes_or_no, help="yes or no: gRPC reflection")
    metadata: bool = setting(
        "PUSHLINE_METADATA",
        default=True,
        parse=yes_or_no,
        help="yes or no: tell what is served, of which inputs and outputs; no: PERMISSION_DENIED, 403",
    )
    grpc: GrpcLimits = group()
    rest: RestLimits = group()


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
class TrustSettings:
    tls: TlsSettings = group()
    tokens_file: Path | None = setting(
        "PUSHLINE_TOKENS_FILE",
        default=None,
        parse=Path,
        help="file with bearer tokens, `token` or `name token` a line; then every call but health checks needs one of them; "
        "read again when it changes",
    )


def workers(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not 1 <= int(text) <= MOST_WORKERS:
        raise ValueError(f'"{text}" is no number of processes from 1 to {MOST_WORKERS}')
    return int(text)


@dataclass(frozen=True)
class ServingSettings:
    """What every process that answers is told; none of it is about broker or store."""

    cache: Path = setting("PUSHLINE_CACHE", parse=Path, help="folder for verified copies of what is served")
    models: frozenset[str] = setting(
        "PUSHLINE_MODELS", default=frozenset(), parse=models, help="models to serve, separated by commas; empty: all of the line"
    )
    max_rows: int = setting("PUSHLINE_MAX_ROWS", default=65536, parse=count, help="most rows in one request")
    model_limits: Mapping[str, ModelLimits] = setting(
        "PUSHLINE_MODEL_LIMITS",
        default=NO_LIMITS,
        parse=model_limits.parse,
        help="limits of single models, such as `iris: in_flight=16 threads=1; photo: batch=8 rows=100`; others are as for all",
    )
    non_finite: str = setting(
        "PUSHLINE_NON_FINITE", default="refuse", parse=one_of("refuse", "allow"), help="NaN and infinities in inputs and answers"
    )
    max_program_bytes: int = setting(
        "PUSHLINE_MAX_PROGRAM", default=256 << 20, parse=parse_size, help="largest serving program that is fetched, such as 256MiB"
    )
    keep_previous: bool = setting(
        "PUSHLINE_KEEP_PREVIOUS",
        default=True,
        parse=yes_or_no,
        help="yes or no: keep the model before the live one open, for a rollback at once; it goes when memory runs short",
    )
    door: DoorSettings = group()
    trust: TrustSettings = group()
    tensorflow: TensorFlowSettings = group()
    process: ProcessSettings = group(metrics_port=9104)


@dataclass(frozen=True)
class Settings(ServingSettings):
    """What the process is told that follows the line; it answers too."""

    replica: str = setting("PUSHLINE_REPLICA", default="", help="name of this replica; default: the machine's name")
    workers: int = setting(
        "PUSHLINE_WORKERS",
        default=1,
        parse=workers,
        help="processes that answer, all at the same ports; limits of requests, threads and connections count for each of them",
    )
    memory_bytes: int | None = setting(
        "PUSHLINE_MEMORY",
        default=None,
        parse=parse_size,
        help="memory of the predictor with all that it serves, such as 2GiB; a model that does not fit is not loaded; "
        "default: what its cgroup allows",
    )
    line: LineSettings = group()
    store: StoreSettings = group()

    @property
    def replica_name(self) -> str:
        return self.replica or socket.gethostname()


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Give what is left for processes that neither follow the line nor fetch anything."""
    settings = (*describe(LineSettings), *describe(StoreSettings), *describe(ProcessSettings))
    names = {each.name for each in settings if each.secret or each.name in ("PUSHLINE_KAFKA", "PUSHLINE_S3_ENDPOINT")}
    return {name: text for name, text in environ.items() if name.removesuffix("_FILE") not in names}
