"""A producer that librdkafka holds for broken beyond repair, and what becomes of appends."""

import ctypes
from contextlib import closing
from pathlib import Path

from confluent_kafka import KafkaError, Producer

from pushline.line.broker import BrokerUnavailable
from pushline.line.kafka import KafkaLog
from pushline.line.records import Message, Record
from tests.servers import BrokerAddress
from tests.waiting import until

MESSAGE = Message("commit", b"digits", b"{}", ())


def break_for_good(producer: Producer) -> None:
    """Raise a fatal error as a broker's answer would, by the hook that librdkafka has for tests. The handle comes first in it."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    (path,) = {line.split()[-1] for line in maps if "librdkafka" in line}
    hook = ctypes.CDLL(path).rd_kafka_test_fatal_error
    hook.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    handle = ctypes.c_void_p.from_address(id(producer) + object.__basicsize__)
    assert hook(handle, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, b"made by a test") == 0


def test_after_a_fatal_error_appends_go_through_a_new_producer(broker_address: BrokerAddress, topic_prefix: str) -> None:
    def appended() -> Record | None:
        try:
            return log.append(MESSAGE)
        except BrokerUnavailable as error:
            refused.append(str(error))
            return None

    refused: list[str] = []
    with closing(KafkaLog(broker_address.bootstrap, topic_prefix, broker_address.options)) as log:
        first, line = log.append(MESSAGE), log._appender._line
        assert line is not None
        break_for_good(line._producer)

        second = until(appended, what="an append through a new producer")
        third = log.append(MESSAGE)

        assert log._appender._line is not line
        assert len(refused) <= 1
        assert [record.offset - first.offset for record in (second, third)] == [1, 2]
    until(lambda: not line._pump.is_alive(), what="the end of the old producer's thread")
