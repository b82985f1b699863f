"""Images where no registry is reached, told as the official ones: Kafka and MinIO of the servers' cache, Debian's Prometheus."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from pushline.servers.real import JAVA_OPTIONS
from pushline.servers.real_parts import Parts
from tests.images.engine import Engine

KAFKA, STORE = "pushline-test-kafka:1", "pushline-test-store:1"
PROMETHEUS, ALERTMANAGER = "pushline-test-prometheus:1", "pushline-test-alertmanager:1"
CONFIG, CLUSTER = "/mnt/shared/config/server.properties", "AAAAAAAAAAAAAAAAAAAAAQ"
JAVA = f"/opt/kafka/java/bin/java {' '.join(JAVA_OPTIONS[:-1])} -cp '/opt/kafka/jars/*'"
START_KAFKA = f"""\
#!/bin/sh
set -e
[ -e /var/lib/kafka/data/meta.properties ] || {JAVA} kafka.tools.StorageTool format -t {CLUSTER} -c {CONFIG}
exec {JAVA} kafka.Kafka {CONFIG}
"""
KAFKA_FILE = """\
ARG BASE
FROM ${BASE}
COPY java /opt/kafka/java
COPY jars /opt/kafka/jars
COPY start /opt/kafka/start
RUN install -d -o 1000 -g 1000 /var/lib/kafka/data
USER 1000:1000
ENTRYPOINT ["/bin/sh", "/opt/kafka/start"]
"""
STORE_FILE = """\
ARG BASE
FROM ${BASE}
COPY minio /usr/bin/minio
ENTRYPOINT ["/usr/bin/minio"]
"""
# A package's own start of a service is none of a container's.
WATCHING_FILE = """\
ARG BASE
FROM ${BASE}
ARG PACKAGE
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends ${PACKAGE} && rm -rf /etc/prometheus /var/lib/prometheus \\
    && install -d -o 65534 -g 65534 /prometheus /alertmanager && ln -s $(command -v ${PACKAGE}) /usr/bin/watching
USER 65534:65534
ENTRYPOINT ["/usr/bin/watching"]
"""


def build(engine: Engine, base: str, parts: Parts) -> None:
    if not engine.has(KAFKA):
        with TemporaryDirectory(prefix="pushline-kafka-image-") as name:
            (Path(name) / "start").write_text(START_KAFKA)
            _build(engine, base, Path(name), parts.kafka, KAFKA_FILE, KAFKA)
    if not engine.has(STORE):
        with TemporaryDirectory(prefix="pushline-store-image-") as name:
            _build(engine, base, Path(name), parts.minio, STORE_FILE, STORE)


def build_watching(engine: Engine, base: str) -> None:
    for image, package in ((PROMETHEUS, "prometheus"), (ALERTMANAGER, "prometheus-alertmanager")):
        if not engine.has(image):
            options = ("--quiet", "--build-arg", f"BASE={base}", "--build-arg", f"PACKAGE={package}", "--tag", image)
            engine("build", *options, "-", given=WATCHING_FILE.encode(), seconds=600)


def _build(engine: Engine, base: str, folder: Path, parts: Path, text: str, image: str) -> None:
    shutil.copytree(parts, folder, symlinks=True, dirs_exist_ok=True)
    (folder / "Dockerfile").write_text(text)
    engine("build", "--quiet", "--build-arg", f"BASE={base}", "--tag", image, str(folder), seconds=600)
