"""Open a line: its log folded up to now, and its store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.cli.find_line import line_file_of
from pushline.cli.line_file import LineFile
from pushline.cli.terminal import Terminal
from pushline.line.broker import BrokerUnavailable, LineError, Log
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Judgement
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.objects.minio_store import MinioStore
from pushline.objects.store import Store

CATCH_UP_SECONDS = 20.0
OnFold = Callable[[Record, tuple[Judgement, ...]], None]


@dataclass(frozen=True, slots=True)
class OpenLine:
    log: Log
    tail: Tail
    store: Store


@contextmanager
def open_line(line: LineFile, on_fold: OnFold | None = None, beside: tuple[str, ...] = ()) -> Iterator[OpenLine]:
    """Everything that is in the log now is folded, topics `beside` the five too. Raises Said where the broker does not answer."""
    log = KafkaLog(line.kafka, line.topic_prefix, line.kafka_options)
    try:
        tail = Tail(log, (*TOPIC_NAMES, *beside), on_fold)
        tail.start()
        try:
            _catch_up(tail, line)
            yield OpenLine(log, tail, open_store(line))
        finally:
            tail.stop()
    finally:
        log.close()


@contextmanager
def line_in_sight(terminal: Terminal, path: Path | None) -> Iterator[OpenLine]:
    with open_line(line_file_of(terminal, path)) as line:
        yield line


def open_store(line: LineFile) -> Store:
    at = line.store
    return MinioStore(at.endpoint, at.bucket, at.access_key, at.secret_key, at.region)


def _catch_up(tail: Tail, line: LineFile) -> None:
    try:
        tail.catch_up(CATCH_UP_SECONDS)
    except BrokerUnavailable as error:
        raise Said(f"The broker at {line.kafka} does not answer: {error}.", Exit.UNREACHABLE) from None
    except (LineError, TimeoutError) as error:
        raise Said(f"The line at {line.kafka} cannot be read: {tail.problem or error}.", Exit.UNREACHABLE) from None
