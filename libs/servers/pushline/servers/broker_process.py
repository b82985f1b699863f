"""The embedded broker's process: python -m pushline.servers.broker_process."""

import logging

from confluent_kafka import Producer

from pushline.servers.child import say_and_wait
from pushline.servers.embedded import METADATA_TIMEOUT_SECONDS, create_topics


def main() -> None:
    quiet = logging.getLogger("librdkafka")
    quiet.addHandler(logging.NullHandler())
    producer = Producer({"test.mock.num.brokers": 1, "logger": quiet})
    create_topics(producer)
    (broker,) = producer.list_topics(timeout=METADATA_TIMEOUT_SECONDS).brokers.values()
    say_and_wait(bootstrap=f"{broker.host}:{broker.port}")


if __name__ == "__main__":
    main()
