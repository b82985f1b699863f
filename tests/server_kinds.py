"""How tests come by a broker and a store. Imported by tests/servers.py when the first test asks for one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.request import urlopen

from confluent_kafka import Producer

from pushline.line.kafka_topics import KafkaTopics
from pushline.runtime.settings import options
from pushline.servers.embedded import KAFKA_OPTIONS, EmbeddedBroker, EmbeddedStore, create_topics
from pushline.servers.real import RealBroker, RealStore
from pushline.servers.real_parts import prepare_kafka, prepare_minio
from tests.servers import ENVIRON, BrokerAddress, StoreAddress, own_folder, tell

REGION = "us-east-1"
PARTITIONS = 4
EMBEDDED = "embedded Kafka"


def broker(stack: ExitStack, kind: str) -> BrokerAddress:
    if address := ENVIRON.get("PUSHLINE_TEST_KAFKA"):
        said = ENVIRON.get("PUSHLINE_TEST_KAFKA_SAID", "a broker that runs already")
        return BrokerAddress(address, options(ENVIRON.get("PUSHLINE_TEST_KAFKA_OPTIONS", "")), said)
    if kind == "embedded":
        return BrokerAddress(stack.enter_context(EmbeddedBroker()).bootstrap, dict(KAFKA_OPTIONS), EMBEDDED)
    if kind == "containers":
        from tests import server_containers  # noqa: PLC0415 - needs a package of its own

        return server_containers.broker(stack)
    running = stack.enter_context(RealBroker(own_folder(stack, "kafka"), prepare_kafka(dict(ENVIRON), tell)))
    return BrokerAddress(running.bootstrap, {}, f"Apache Kafka {running.version}")


def store(stack: ExitStack, kind: str) -> tuple[StoreAddress, str]:
    if endpoint := ENVIRON.get("PUSHLINE_TEST_S3"):
        bucket, region = ENVIRON.get("PUSHLINE_TEST_S3_BUCKET", "pushline"), ENVIRON.get("PUSHLINE_TEST_S3_REGION", REGION)
        access, secret = (ENVIRON.get(f"PUSHLINE_TEST_S3_{name}", "") for name in ("ACCESS_KEY", "SECRET_KEY"))
        said = ENVIRON.get("PUSHLINE_TEST_S3_SAID", "") or _server_header(endpoint)
        return StoreAddress(endpoint, bucket, access, secret, region), said
    if kind == "embedded":
        embedded = stack.enter_context(EmbeddedStore(own_folder(stack, "store")))
        return StoreAddress(embedded.endpoint, embedded.bucket, embedded.access_key, embedded.secret_key, REGION), "embedded S3"
    if kind == "containers":
        from tests import server_containers  # noqa: PLC0415 - needs a package of its own

        return server_containers.store(stack)
    real = stack.enter_context(RealStore(own_folder(stack, "minio"), prepare_minio(dict(ENVIRON), tell)))
    return StoreAddress(real.endpoint, real.bucket, real.access_key, real.secret_key, REGION), f"MinIO {real.version}"


@contextmanager
def topics(address: BrokerAddress, prefix: str) -> Iterator[str]:
    if address.said == EMBEDDED:
        create_topics(Producer({"bootstrap.servers": address.bootstrap}), prefix)
        yield prefix
        return
    with KafkaTopics(address.bootstrap, prefix, address.options) as made:
        made.create(PARTITIONS)
        yield prefix
        made.remove()


def _server_header(endpoint: str) -> str:
    with urlopen(f"{endpoint}/minio/health/live", timeout=10) as answer:  # noqa: S310 - the tests' own address
        return str(answer.headers.get("Server", "an S3 store"))
