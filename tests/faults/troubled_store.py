"""A real store with trouble made to measure: full, away for one service, or refusing one service's key. All of it can be mended."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path

from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import S3Error

from pushline.servers.real import REGION, RealStore
from tests.faults.proxy import Door

MOUNT = 'mount -t tmpfs -o size=64m,mode=700 small data && exec "$0" "$@"'
SERVICES = ("trainer", "evaluator", "deployer", "predictor")
WRITERS = ("trainer", "evaluator")
BALLAST = "ballast/"
SECRET = "the-right-secret-of-"


class SmallStore(RealStore):
    """MinIO on a disk of 64 MB, which goes with it. It is mounted where only it sees it, so nobody needs to be root."""

    def command(self) -> Sequence[str | Path]:
        unshare = shutil.which("unshare")
        assert unshare, "unshare is not installed; the sandbox needs it too"
        return [unshare, "--user", "--map-root-user", "--mount", "/bin/sh", "-c", MOUNT, *super().command()]


@dataclass(frozen=True)
class TroubledStore:
    """Each service has a door and a key of its own."""

    store: SmallStore
    doors: Mapping[str, Door]

    def environ(self, service: str) -> dict[str, str]:
        return {
            "PUSHLINE_S3_ENDPOINT": f"http://127.0.0.1:{self.doors[service].port}",
            "PUSHLINE_S3_ACCESS_KEY": service,
            "PUSHLINE_S3_SECRET_KEY": f"{SECRET}{service}",
        }

    def trouble(self, kind: str, service: str) -> AbstractContextManager[None]:
        if kind == "down":
            return self.doors[service].shut()
        return {"disabled": self._disabled, "other secret": self._other_secret, "no right": self._no_right}[kind](service)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no room for a single byte, then make room again."""
        numbers, client = count(), self._client()
        for size in (1 << 20, 1 << 17, 1 << 14, 1):
            while _put(client, f"{BALLAST}{next(numbers)}", size):
                pass
        try:
            yield
        finally:
            for found in client.list_objects(self.store.bucket, BALLAST):
                client.remove_object(self.store.bucket, str(found.object_name))

    def let_in(self) -> None:
        for service in SERVICES:
            self._admin().user_add(service, f"{SECRET}{service}")
            self._admin().attach_policy(["readwrite"], user=service)

    @contextmanager
    def _disabled(self, service: str) -> Iterator[None]:
        self._admin().user_disable(service)
        yield
        self._admin().user_enable(service)

    @contextmanager
    def _other_secret(self, service: str) -> Iterator[None]:
        self._admin().user_add(service, "another-secret-than-before")
        yield
        self._admin().user_add(service, f"{SECRET}{service}")

    @contextmanager
    def _no_right(self, service: str) -> Iterator[None]:
        """Who writes may still read, so that it is the writing that is refused."""
        self._admin().detach_policy(["readwrite"], user=service)
        if service in WRITERS:
            self._admin().attach_policy(["readonly"], user=service)
        yield
        self._admin().attach_policy(["readwrite"], user=service)

    def _client(self) -> Minio:
        return Minio(self._address, self.store.access_key, self.store.secret_key, secure=False, region=REGION)

    def _admin(self) -> MinioAdmin:
        keys = StaticProvider(self.store.access_key, self.store.secret_key)
        return MinioAdmin(endpoint=self._address, credentials=keys, region=REGION, secure=False)

    @property
    def _address(self) -> str:
        return self.store.endpoint.removeprefix("http://")


@contextmanager
def troubled_store(folder: Path, home: Path) -> Iterator[TroubledStore]:
    with SmallStore(folder, home) as store, ExitStack() as stack:
        doors = {service: Door(store.ports["s3"]) for service in SERVICES}
        for door in doors.values():
            stack.callback(door.close)
        made = TroubledStore(store, doors)
        made.let_in()
        yield made


def _put(client: Minio, key: str, size: int) -> bool:
    try:
        client.put_object("pushline", key, BytesIO(b"x" * size), size)
    except S3Error as error:
        if error.code not in {"XMinioStorageFull", "IncompleteBody"}:  # the second where room ended within the body
            raise
        return False
    return True
