"""The servers that tests run against: one embedded broker and one embedded store a session, a topic prefix a test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from pushline.servers.embedded import EmbeddedBroker, EmbeddedStore


class StoreAddress(NamedTuple):
    """What PUSHLINE_S3_* say."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator["EmbeddedBroker"]:
    from pushline.servers.embedded import EmbeddedBroker  # noqa: PLC0415 - only for who asks for a broker

    with EmbeddedBroker() as running:
        yield running


@pytest.fixture(scope="session")
def embedded_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator["EmbeddedStore"]:
    from pushline.servers.embedded import EmbeddedStore  # noqa: PLC0415 - only for who asks for a store

    with EmbeddedStore(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="session")
def broker(embedded_broker: "EmbeddedBroker") -> str:
    """Give the bootstrap servers of a running broker."""
    return embedded_broker.bootstrap


@pytest.fixture(scope="session")
def kafka_options() -> dict[str, str]:
    """Give the client options that suit the broker of this session."""
    from pushline.servers.embedded import KAFKA_OPTIONS  # noqa: PLC0415 - only for who asks for a broker

    return dict(KAFKA_OPTIONS)


@pytest.fixture(scope="session")
def store_settings(embedded_store: "EmbeddedStore") -> StoreAddress:
    """Give address, bucket and keys of a running object store."""
    store = embedded_store
    return StoreAddress(store.endpoint, store.bucket, store.access_key, store.secret_key, "us-east-1")


@pytest.fixture
def topic_prefix(broker: str) -> str:
    """Give a prefix that no other test has, its topics made."""
    from confluent_kafka import Producer  # noqa: PLC0415 - only for who asks for a broker

    from pushline.servers.embedded import create_topics  # noqa: PLC0415 - only for who asks for a broker

    prefix = f"test-{uuid4().hex[:12]}."
    create_topics(Producer({"bootstrap.servers": broker}), prefix)
    return prefix
