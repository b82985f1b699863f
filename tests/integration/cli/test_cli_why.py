"""`pushline why` and `status --as-of` on a real broker, whose times they read, and on an embedded one, which keeps its writers'."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pushline.cli.exits import Exit
from pushline.line.codec import encode
from pushline.line.events import Event
from pushline.line.kafka import KafkaLog
from pushline.line.moment import read_all
from pushline.line.records import Record
from pushline.servers.embedded import KAFKA_OPTIONS, EmbeddedBroker
from tests.integration.cli.asking import Operator
from tests.servers import StoreAddress
from tests.unit.line.model import making as make
from tests.waiting import until

PUSH = make.push("digits", 1, previous=0, sha="ab" * 20)
NEXT = make.push("digits", 2, previous=1, sha="cd" * 20)


def an_operator(kafka: str, options: dict[str, str], prefix: str, store: StoreAddress) -> Operator:
    return Operator(
        {
            "PUSHLINE_KAFKA": kafka,
            "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in options.items()),
            "PUSHLINE_TOPIC_PREFIX": prefix,
            "PUSHLINE_S3_ENDPOINT": store.endpoint,
            "PUSHLINE_S3_BUCKET": store.bucket,
            "PUSHLINE_S3_ACCESS_KEY": store.access_key,
            "PUSHLINE_S3_SECRET_KEY": store.secret_key,
        }
    )


class Line:
    def __init__(self, log: KafkaLog, operator: Operator) -> None:
        self.log, self.operator = log, operator
        self._last_ms = 0

    def put(self, event: Event) -> Record:
        """Append in a millisecond of its own."""
        until(lambda: datetime.now(UTC).timestamp() * 1000 > self._last_ms + 2, 10)
        place = self.log.append(encode(event, "pushline/test"))
        lies = next(each for each in read_all(self.log, (place.topic,), 10) if (each.partition, each.offset) == at_place(place))
        self._last_ms = lies.timestamp_ms
        return lies


@pytest.fixture
def line(broker: str, kafka_options: dict[str, str], topic_prefix: str, store_settings: StoreAddress) -> Iterator[Line]:
    log = KafkaLog(broker, topic_prefix, kafka_options)
    yield Line(log, an_operator(broker, kafka_options, topic_prefix, store_settings))
    log.close()


def at_place(record: Record) -> tuple[int, int]:
    return record.partition, record.offset


def at(record: Record) -> str:
    return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")


def test_a_commit_is_explained_by_the_records_as_they_lie(line: Line) -> None:
    pushed = line.put(PUSH)
    failed = line.put(make.trained(PUSH, "failed", sentence="train.py broke"))

    (answer,) = line.operator.told("why", "abab")

    assert (answer["cause"], answer["outcome"], answer["reason"]) == ("failed_in_training_script", "failed", "script_failed")
    places = [f"{record.topic}/{record.partition}@{record.offset}" for record in (pushed, failed)]
    assert [fact["place"] for fact in answer["facts"]] == places
    assert [fact["at"] for fact in answer["facts"]] == [at(record).replace("+00:00", "Z") for record in (pushed, failed)]


def test_the_line_is_shown_as_it_was_at_a_time_and_at_a_record(line: Line) -> None:
    first = line.put(PUSH)
    second = line.put(make.trained(PUSH, "failed", sentence="train.py broke"))
    line.put(NEXT)
    place = f"{second.topic}/{second.partition}@{second.offset}"

    def open_runs(moment: str) -> list[str]:
        (view,) = line.operator.told("status", "--as-of", moment)
        return [run["commit"][:2] for run in view["open_runs"]]

    assert open_runs(at(first)) == ["ab"]
    assert open_runs(at(second)) == []
    assert open_runs(place) == []
    assert [run["commit"][:2] for run in line.operator.told("status")[0]["open_runs"]] == ["cd"]
    (then,) = line.operator.told("why", "abab", "--as-of", at(first))
    assert then["cause"] == "waiting_for_training"


def test_before_the_first_record_there_was_nothing(line: Line) -> None:
    line.put(PUSH)

    assert line.operator.told("status", "--as-of", "2h") == []
    code, _, err = line.operator.run("why", "abab", "--as-of", "2h")
    assert (code, "No run, commit or digest started with 'abab' by then." in err) == (Exit.NOT_FOUND, True)


def test_a_commit_that_was_never_seen_has_a_code_of_its_own(line: Line) -> None:
    line.put(PUSH)

    code, out, _ = line.operator.run("why", "ef" * 20)

    assert code == Exit.NOT_FOUND
    assert "The line has never seen" in out


def test_an_embedded_broker_keeps_its_writers_times_and_is_asked_by_those(store_settings: StoreAddress) -> None:
    with EmbeddedBroker() as broker:
        log = KafkaLog(broker.bootstrap, "", KAFKA_OPTIONS)
        log.append(encode(PUSH, "pushline/test"))
        log.close()
        operator = an_operator(broker.bootstrap, KAFKA_OPTIONS, "", store_settings)
        now = datetime.now(UTC).isoformat()

        assert [len(view["open_runs"]) for view in operator.told("status", "--as-of", now)] == [1]
        assert operator.told("status", "--as-of", "2h") == []
