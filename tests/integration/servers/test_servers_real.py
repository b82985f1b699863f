"""Real servers as processes: killed, started again, ending with their parent, and what is said where they cannot start."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pushline.line.kafka_topics import KafkaTopics
from pushline.objects.minio_store import MinioStore
from pushline.servers.cache import NotPrepared, prepared
from pushline.servers.child import ServerNotStarted
from pushline.servers.real import RealBroker, RealStore
from tests.waiting import until

if TYPE_CHECKING:
    from pushline.servers.cache import Kitchen
    from pushline.servers.real_parts import Parts

HOLDER = """
import sys
from pathlib import Path
from pushline.servers.real import RealStore
with RealStore(Path(sys.argv[1]), Path(sys.argv[2])) as store:
    print(store.pid, flush=True)
    input()
"""


def gone(pid: int) -> bool:
    path = Path(f"/proc/{pid}/stat")
    return not path.exists() or path.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_killed_store_comes_back_at_its_place_with_what_it_held(tmp_path: Path, real_parts: "Parts") -> None:
    with RealStore(tmp_path / "store", real_parts.minio) as store:
        place = (store.endpoint, store.bucket, store.access_key, store.secret_key)
        MinioStore(*place).put_bytes("key", b"held")

        store.kill()
        store.start()

        assert (store.endpoint, store.bucket, store.access_key, store.secret_key) == place
        assert MinioStore(*place).read_bytes("key") == b"held"
        assert stat.S_IMODE((tmp_path / "store" / "keys.json").stat().st_mode) == 0o600


def test_a_killed_broker_comes_back_at_its_place_with_its_topics(tmp_path: Path, real_parts: "Parts") -> None:
    with RealBroker(tmp_path / "broker", real_parts.kafka) as broker:
        bootstrap = broker.bootstrap
        with KafkaTopics(bootstrap) as topics:
            made = topics.create(1)

        broker.kill()
        broker.start()

        assert broker.bootstrap == bootstrap
        assert len(made) == 10
        with KafkaTopics(bootstrap) as topics:
            assert topics.check() == []


def test_a_real_server_ends_with_its_parent_however_that_ends(tmp_path: Path, real_parts: "Parts") -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "store"), str(real_parts.minio)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert not gone(server)
        parent.kill()

    until(lambda: gone(server))


def test_a_server_that_cannot_start_says_its_own_last_words(tmp_path: Path, real_parts: "Parts") -> None:
    broker = RealBroker(tmp_path / "broker", real_parts.kafka)
    (tmp_path / "broker" / "data").mkdir(parents=True)
    (tmp_path / "broker" / "data" / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")

    with pytest.raises(ServerNotStarted, match="Kafka ended with exit code"):
        broker.start()


def test_parts_that_cannot_be_made_leave_a_log_and_nothing_else(tmp_path: Path) -> None:
    def make(kitchen: "Kitchen", _: Path) -> None:
        kitchen.run([sys.executable, "-c", "import sys; sys.exit('no such package')"])

    with pytest.raises(NotPrepared, match=r"(?s)thing-1 could not be made: .*exit code 1:.*no such package\nThe whole log: "):
        prepared("thing-1", {**os.environ, "PUSHLINE_SERVERS_CACHE": str(tmp_path)}, lambda _: None, make)  # noqa: TID251

    assert sorted(path.name for path in tmp_path.iterdir()) == [".thing-1.lock", "thing-1.log"]
