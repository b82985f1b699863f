"""Find a line, from a line.json or from settings, and open it: its log folded up to now, and its store."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile, StoreAccess, read_line_file
from pushline.cli.terminal import Terminal
from pushline.line.broker import BrokerUnavailable, LineError, Log
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Judgement
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.topics import TOPICS
from pushline.objects.minio_store import MinioStore
from pushline.objects.store import Store
from pushline.runtime.settings import LineSettings, SettingsError, StoreSettings, read

DEFAULT = Path("state/line.json")
CATCH_UP_SECONDS = 20.0
OnFold = Callable[[Record, tuple[Judgement, ...]], None]


@dataclass(frozen=True, slots=True)
class OpenLine:
    log: Log
    tail: Tail
    store: Store


def line_file_of(terminal: Terminal, path: Path | None) -> LineFile:
    """The line that the options and the environment name. Raises Said where there is none, or it has ended."""
    if path is None and terminal.environ.get("PUSHLINE_KAFKA"):
        return _from_settings(terminal)
    line = read_line_file(path or DEFAULT)
    if line.pid and not _runs(line.pid):
        raise Said(
            f"The line of {path or DEFAULT} has ended (process {line.pid} is gone). Start it with `pushline up`.", Exit.UNREACHABLE
        )
    return line


@contextmanager
def open_line(line: LineFile, on_fold: OnFold | None = None) -> Iterator[OpenLine]:
    """Everything that is in the log now is folded. Raises Said where the broker does not answer."""
    log = KafkaLog(line.kafka, line.topic_prefix, line.kafka_options)
    try:
        tail = Tail(log, [topic.name for topic in TOPICS], on_fold)
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


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _from_settings(terminal: Terminal) -> LineFile:
    try:
        line, store = read(LineSettings, terminal.environ), read(StoreSettings, terminal.environ)
    except SettingsError as error:
        raise Said(str(error), Exit.BAD_FILE) from None
    access = StoreAccess(store.endpoint, store.bucket, store.access_key, store.secret_key, store.region)
    return LineFile(0, line.kafka, {}, line.topic_prefix, access, "127.0.0.1", {}, {}, "")
