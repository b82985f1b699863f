"""The line as it is, or as it was at a moment that a person names."""

import re
import time
from datetime import datetime

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile
from pushline.cli.line_of_sight import CATCH_UP_SECONDS
from pushline.cli.terminal import Terminal
from pushline.cli.times import when
from pushline.line.broker import LineError, Log
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Ledger
from pushline.line.moment import Moment, NoSuchRecord, NoTime, Spot, Then, fold_up_to, moment_of
from pushline.line.topics import TOPIC_NAMES
from pushline.runtime.durations import parse_duration

_PLACE = re.compile(r"([a-z]+)/(\d{1,9})[@/](\d{1,18})", re.ASCII)
FORMS = "a time (2026-11-30T09:00:00Z), so long ago (2h), or a record's place (topic/partition@offset)"


def ledger_as_of(terminal: Terminal, line: LineFile, as_of: str) -> Ledger:
    """Says on stderr what is odd about the answer. Raises Said."""
    wanted = parse(as_of, time.time())
    log = KafkaLog(line.kafka, line.topic_prefix, line.kafka_options)
    try:
        then = fold_then(log, wanted)
    except LineError as error:
        raise Said(f"The line at {line.kafka} cannot be read: {error}.", Exit.UNREACHABLE) from None
    finally:
        log.close()
    if then.odd:
        terminal.warn(f"pushline: the records' times go back, first at {then.odd[0]}: what was before what is not sure.")
    terminal.warn(f"As of {as_of}: {f'the newest record is of {when(then.newest_ms)}' if then.newest_ms else 'no record'}.")
    return then.ledger


def fold_then(log: Log, wanted: Moment | Spot) -> Then:
    """Raises Said, and LineError."""
    try:
        moment = moment_of(log, wanted, CATCH_UP_SECONDS) if isinstance(wanted, Spot) else wanted
        return fold_up_to(log, TOPIC_NAMES, moment, CATCH_UP_SECONDS)
    except NoSuchRecord as error:
        raise Said(f"--as-of: {error}.", Exit.NOT_FOUND) from None
    except NoTime:
        raise Said(
            "--as-of: this line's broker keeps no time of its records, so nobody can say which of them were there by then. "
            "`pushline audit tail` shows them in the order in which they were read.",
            Exit.REFUSED,
        ) from None


def parse(text: str, now_seconds: float) -> Moment | Spot:
    """Raises Said where it is none of the forms, or is still to come."""
    if place := _PLACE.fullmatch(text):
        if place[1] not in TOPIC_NAMES:
            raise Said(f"--as-of: no topic {place[1]!r}; there are {', '.join(TOPIC_NAMES)}.", Exit.USAGE)
        return Spot(place[1], int(place[2]), int(place[3]))
    seconds = _seconds(text, now_seconds)
    if seconds > now_seconds:
        raise Said(f"--as-of: {text} is still to come.", Exit.USAGE)
    return Moment(int(seconds * 1000))


def _seconds(text: str, now_seconds: float) -> float:
    """A time without an offset is local, as the commands print times."""
    try:
        return now_seconds - parse_duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise Said(f"--as-of: {text[:80]!r} is none of {FORMS}.", Exit.USAGE) from None
