"""The servers that tests run against. By default a real Apache Kafka and a real MinIO, started once; a topic prefix a test.

PUSHLINE_TEST_KAFKA=host:port          a broker that runs already; PUSHLINE_TEST_KAFKA_OPTIONS has its client's options
PUSHLINE_TEST_S3=http://host:port      a store that runs already; PUSHLINE_TEST_S3_{BUCKET,ACCESS_KEY,SECRET_KEY,REGION}
PUSHLINE_TEST_SERVERS=embedded         the embedded ones: a quick loop, not the thing itself
PUSHLINE_TEST_SERVERS=containers       both in containers, where Docker is
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from pushline.servers.real_parts import Parts

ENVIRON = os.environ  # noqa: TID251 - the tests' own settings, and what children get
CHOICES = ("real", "embedded", "containers")


class StoreAddress(NamedTuple):
    """What PUSHLINE_S3_* say."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str


class BrokerAddress(NamedTuple):
    bootstrap: str
    options: dict[str, str]
    said: str  # name and version, as the server tells them


@pytest.fixture(scope="session")
def broker_address() -> Iterator[BrokerAddress]:
    """Give a running broker. One that cannot start fails the run."""
    from tests import server_kinds  # noqa: PLC0415 - only for who asks for a broker

    with ExitStack() as stack:
        with fails_the_run():
            running = server_kinds.broker(stack, chosen())
        tell(f"broker: {running.said} at {running.bootstrap}")
        yield running


@pytest.fixture(scope="session")
def store_settings() -> Iterator[StoreAddress]:
    """Give address, bucket and keys of a running object store. One that cannot start fails the run."""
    from tests import server_kinds  # noqa: PLC0415 - only for who asks for a store

    with ExitStack() as stack:
        with fails_the_run():
            running, said = server_kinds.store(stack, chosen())
        tell(f"store: {said} at {running.endpoint}")
        yield running


@pytest.fixture(scope="session")
def real_parts() -> "Parts":
    """Give the programs of a real Kafka and MinIO, for tests that start servers of their own."""
    from pushline.servers.real_parts import prepare  # noqa: PLC0415 - only for who asks for them

    with fails_the_run():
        return prepare(dict(ENVIRON), tell)


@pytest.fixture(scope="session")
def monitoring() -> Path:
    """Give the folder that has the programs of a real Prometheus and Alertmanager."""
    from tests.monitoring import prepare_monitoring  # noqa: PLC0415 - only for who asks for them

    with fails_the_run():
        return prepare_monitoring(dict(ENVIRON), tell)


@pytest.fixture(scope="session")
def broker(broker_address: BrokerAddress) -> str:
    """Give the bootstrap servers of a running broker."""
    return broker_address.bootstrap


@pytest.fixture(scope="session")
def kafka_options(broker_address: BrokerAddress) -> dict[str, str]:
    """Give the client options that suit the broker of this session."""
    return dict(broker_address.options)


@pytest.fixture
def topic_prefix(broker_address: BrokerAddress) -> Iterator[str]:
    """Give a prefix that no other test has, its topics made; they are removed afterwards, without waiting."""
    with topics_of_its_own(broker_address, "test") as prefix:
        yield prefix


def topics_of_its_own(address: BrokerAddress, name: str) -> AbstractContextManager[str]:
    from tests import server_kinds  # noqa: PLC0415 - only for who asks for a broker

    return server_kinds.topics(address, f"{name}-{uuid4().hex[:12]}.")


@contextmanager
def fails_the_run() -> Iterator[None]:
    """End the whole run with one sentence where a server cannot be had, instead of every test with a traceback."""
    from pushline.servers.cache import NotPrepared  # noqa: PLC0415 - only for who asks for a server
    from pushline.servers.child import ServerNotStarted  # noqa: PLC0415 - likewise

    try:
        yield
    except (NotPrepared, ServerNotStarted) as error:
        pytest.exit(f"a server that does not start fails the run: {error}", returncode=1)


def chosen() -> str:
    from pushline.servers.child import ServerNotStarted  # noqa: PLC0415 - only for who asks for a server

    kind = ENVIRON.get("PUSHLINE_TEST_SERVERS", "real")
    if kind not in CHOICES:
        raise ServerNotStarted(f'PUSHLINE_TEST_SERVERS: "{kind}" is none of {", ".join(CHOICES)}')
    return kind


def tell(line: str) -> None:
    """Say it past pytest's capturing, so that it is seen in every run."""
    if sys.__stderr__ is not None:
        sys.__stderr__.write(f"pushline tests: {line}\n")
        sys.__stderr__.flush()


def own_folder(stack: ExitStack, name: str) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"pushline-{name}-", ignore_cleanup_errors=True)))
