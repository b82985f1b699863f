"""A broker and a store in containers, by testcontainers, which PUSHLINE_TEST_SERVERS=containers asks for. It needs Docker."""

from contextlib import ExitStack, closing

import docker
from docker.errors import DockerException
from testcontainers.community.minio import MinioContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import wait_for_logs

from pushline.servers.child import ServerNotStarted
from pushline.servers.native import free_ports
from pushline.servers.real import PROPERTIES, REGION
from tests.servers import BrokerAddress, StoreAddress, own_folder

KAFKA_IMAGE, MINIO_IMAGE = "apache/kafka:4.3.1", "minio/minio:RELEASE.2025-09-07T16-13-09Z"
BUCKET = "pushline"
LISTENER, INSIDE = 9092, 9093


def broker(stack: ExitStack) -> BrokerAddress:
    """The advertised port must be known before the start, so it is one that is free here."""
    _check_docker()
    port = free_ports(("broker",), own_folder(stack, "kafka") / "ports.json")["broker"]
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(LISTENER, port)
    settings = {name: value for name, value in PROPERTIES.items() if name != "log.dirs"} | {
        "listeners": f"PLAINTEXT://:{LISTENER},CONTROLLER://:{INSIDE}",
        "advertised.listeners": f"PLAINTEXT://localhost:{port}",
        "controller.quorum.voters": f"1@localhost:{INSIDE}",
    }
    for name, value in settings.items():
        container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
    stack.enter_context(container)
    wait_for_logs(container, "Kafka Server started", timeout=60)
    return BrokerAddress(f"localhost:{port}", {}, f"{KAFKA_IMAGE} in a container")


def store(stack: ExitStack) -> tuple[StoreAddress, str]:
    _check_docker()
    container = stack.enter_context(MinioContainer(MINIO_IMAGE))
    config = container.get_config()
    container.get_client().make_bucket(BUCKET)
    address = StoreAddress(f"http://{config['endpoint']}", BUCKET, config["access_key"], config["secret_key"], REGION)
    return address, f"{MINIO_IMAGE} in a container"


def _check_docker() -> None:
    try:
        with closing(docker.from_env()) as client:
            client.ping()
    except DockerException as error:
        raise ServerNotStarted(f"PUSHLINE_TEST_SERVERS=containers needs Docker, and it does not answer: {error}") from None
