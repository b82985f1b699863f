"""What every object store promises, whichever adapter stands behind the port."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest
from minio import Minio

from pushline.objects import local
from pushline.objects.memory_store import MemoryStore
from pushline.objects.minio_store import MinioStore
from pushline.objects.store import DigestMismatch, Listed, ObjectMissing, ObjectTooLarge, Store, StoreError, StoreUnavailable
from pushline.servers.embedded import EmbeddedStore
from tests.servers import StoreAddress
from tests.waiting import until

DATA = bytes(range(256)) * 40_000  # 10 MB: several chunks


@dataclass(frozen=True)
class Subject:
    """A store, a key prefix of its own, a way around the store to spoil it, and a store that is away."""

    store: Store
    prefix: str
    corrupt: Callable[[str, bytes], None]
    away: Store

    def key(self, name: str = "object") -> str:
        return f"{self.prefix}/{name}"


@pytest.fixture(scope="session")
def embedded_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreAddress]:
    with EmbeddedStore(tmp_path_factory.mktemp("store")) as running:
        yield StoreAddress(running.endpoint, running.bucket, running.access_key, running.secret_key, "us-east-1")


@pytest.fixture(params=["memory", "embedded", "minio"])
def subject(request: pytest.FixtureRequest) -> Subject:
    prefix = f"contract/{uuid4().hex}"
    if request.param == "memory":
        store, away = MemoryStore(), MemoryStore()
        away.set_unavailable(True)
        return Subject(store, prefix, store.corrupt, away)
    return _minio(request.getfixturevalue("embedded_store" if request.param == "embedded" else "store_settings"), prefix)


def _minio(address: StoreAddress, prefix: str) -> Subject:
    raw = Minio(
        address.endpoint.removeprefix("http://"), address.access_key, address.secret_key, secure=False, region=address.region
    )

    def corrupt(key: str, data: bytes) -> None:
        raw.put_object(address.bucket, key, io.BytesIO(data), len(data))

    nobody_there = MinioStore("http://127.0.0.1:1", address.bucket, address.access_key, address.secret_key)
    return Subject(MinioStore(*address), prefix, corrupt, nobody_there)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_stored_file_comes_back_as_it_was(subject: Subject, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(DATA)

    stored = subject.store.put_file(subject.key(), path)

    assert (stored.key, stored.sha256, stored.size) == (subject.key(), digest(DATA), len(DATA))
    with subject.store.fetch(subject.key(), stored.sha256) as copy:
        assert copy.read_bytes() == DATA


def test_a_fetched_copy_is_private_and_removed_afterwards(subject: Subject) -> None:
    stored = subject.store.put_bytes(subject.key(), b"x")

    with subject.store.fetch(subject.key(), stored.sha256) as copy:
        assert copy.stat().st_mode & 0o077 == 0

    assert not copy.exists()


def test_a_corrupted_object_is_never_yielded(subject: Subject, tmp_path: Path) -> None:
    stored = subject.store.put_bytes(subject.key(), DATA)
    subject.corrupt(subject.key(), DATA[:-1] + b"!")
    target = tmp_path / "program.tflite"
    target.write_bytes(b"older")

    with pytest.raises(DigestMismatch) as mismatch, subject.store.fetch(subject.key(), stored.sha256):
        pytest.fail("a corrupted object was yielded")
    with pytest.raises(DigestMismatch):
        subject.store.fetch_to(subject.key(), stored.sha256, target)

    assert (mismatch.value.key, mismatch.value.expected) == (subject.key(), stored.sha256)
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]


def test_fetch_to_moves_a_verified_file_into_its_place(subject: Subject, tmp_path: Path) -> None:
    stored = subject.store.put_bytes(subject.key(), DATA)
    target = tmp_path / "program.tflite"

    subject.store.fetch_to(subject.key(), stored.sha256, target)

    assert target.read_bytes() == DATA
    assert list(tmp_path.iterdir()) == [target]


def test_a_content_addressed_object_that_was_spoiled_is_stored_anew(subject: Subject) -> None:
    key = subject.key(f"{digest(DATA)}/model.h5")
    subject.store.put_bytes(key, DATA)
    subject.corrupt(key, b"spoiled")

    subject.store.put_bytes(key, DATA)

    assert subject.store.read_bytes(key) == DATA


def test_an_object_under_a_plain_key_is_replaced(subject: Subject) -> None:
    subject.store.put_bytes(subject.key("progress.json"), b"1")

    subject.store.put_bytes(subject.key("progress.json"), b"22")

    assert subject.store.read_bytes(subject.key("progress.json")) == b"22"


def test_an_empty_object_is_an_object(subject: Subject) -> None:
    stored = subject.store.put_bytes(subject.key(), b"")

    assert stored.size == 0
    assert subject.store.read_bytes(subject.key()) == b""


def test_a_missing_object_is_named(subject: Subject) -> None:
    with pytest.raises(ObjectMissing) as missing:
        subject.store.read_bytes(subject.key("nothing"))
    with pytest.raises(ObjectMissing), subject.store.fetch(subject.key("nothing"), digest(b"")):
        pytest.fail("a missing object was yielded")

    assert missing.value.key == subject.key("nothing")
    assert not subject.store.exists(subject.key("nothing"))


def test_an_object_above_the_bound_is_refused(subject: Subject, tmp_path: Path) -> None:
    stored = subject.store.put_bytes(subject.key(), DATA)

    with pytest.raises(ObjectTooLarge):
        subject.store.read_bytes(subject.key(), len(DATA) - 1)
    with pytest.raises(ObjectTooLarge):
        subject.store.fetch_to(subject.key(), stored.sha256, tmp_path / "file", len(DATA) - 1)

    assert len(subject.store.read_bytes(subject.key(), len(DATA))) == len(DATA)
    assert list(tmp_path.iterdir()) == []


def test_keys_are_listed_in_name_order(subject: Subject) -> None:
    for name in ("b/2", "a", "b/10", "c"):
        subject.store.put_bytes(subject.key(name), b"x")

    assert list(subject.store.list(f"{subject.prefix}/")) == [subject.key(name) for name in ("a", "b/10", "b/2", "c")]
    assert list(subject.store.list(subject.key("b/"))) == [subject.key("b/10"), subject.key("b/2")]
    assert list(subject.store.list(subject.key("d"))) == []


def test_a_listing_has_sizes_and_the_stores_own_times(subject: Subject) -> None:
    before = subject.store.clock()
    for name in ("b", "a"):
        subject.store.put_bytes(subject.key(name), name.encode() * 3)
    after = subject.store.clock()

    found = list(subject.store.objects(f"{subject.prefix}/"))

    assert [(each.key, each.size) for each in found] == [(subject.key("a"), 3), (subject.key("b"), 3)]
    for each in found:
        assert whole(before) <= whole(each.modified) <= whole(after)
        assert subject.store.stat(each.key) in (each, Listed(each.key, each.size, whole(each.modified)))


def whole(moment: datetime) -> datetime:
    """A listing has milliseconds, an object's head has seconds."""
    return moment.replace(microsecond=0)


def test_nothing_lies_under_a_key_that_was_never_written(subject: Subject) -> None:
    assert subject.store.stat(subject.key("nothing")) is None


def test_a_deleted_object_is_gone_and_may_be_deleted_again(subject: Subject) -> None:
    subject.store.put_bytes(subject.key(), b"x")

    subject.store.delete(subject.key())
    subject.store.delete(subject.key())

    assert subject.store.stat(subject.key()) is None
    assert list(subject.store.objects(f"{subject.prefix}/")) == []


def test_an_object_that_is_stored_again_is_no_longer_old(subject: Subject) -> None:
    key = subject.key(f"{digest(b'x')}/model.h5")
    subject.store.put_bytes(key, b"x")
    first = until(lambda: subject.store.stat(key))
    until(lambda: whole(subject.store.clock()) > whole(first.modified), 5)

    subject.store.put_bytes(key, b"x")

    again = subject.store.stat(key)
    assert again is not None
    assert whole(again.modified) > whole(first.modified)
    assert subject.store.read_bytes(key) == b"x"


def test_a_deleted_content_addressed_object_is_stored_anew(subject: Subject) -> None:
    key = subject.key(f"{digest(b'x')}/model.h5")
    subject.store.put_bytes(key, b"x")
    subject.store.delete(key)

    subject.store.put_bytes(key, b"x")

    assert subject.store.read_bytes(key) == b"x"


def test_a_check_passes_where_all_is_well(subject: Subject) -> None:
    subject.store.check()

    assert subject.store.exists("checks/pushline")


def test_a_store_that_is_away_says_so(subject: Subject, tmp_path: Path) -> None:
    calls: list[Callable[[], object]] = [
        lambda: subject.away.put_bytes("key", b"x"),
        lambda: subject.away.read_bytes("key"),
        lambda: subject.away.fetch_to("key", digest(b"x"), tmp_path / "file"),
        lambda: subject.away.exists("key"),
        lambda: list(subject.away.list("")),
        lambda: list(subject.away.objects("")),
        lambda: subject.away.stat("key"),
        lambda: subject.away.delete("key"),
        subject.away.clock,
        subject.away.check,
    ]

    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()


def test_a_write_that_does_not_read_back_is_an_error() -> None:
    store = MemoryStore()
    store.spoil_writes(True)

    with pytest.raises(DigestMismatch):
        store.put_bytes("key", b"data")


def test_a_bucket_that_is_not_there_is_named(store_settings: StoreAddress) -> None:
    store = MinioStore(store_settings.endpoint, "nowhere", store_settings.access_key, store_settings.secret_key)

    with pytest.raises(StoreUnavailable, match="bucket nowhere: NoSuchBucket"):
        store.put_bytes("key", b"x")


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://host", "http://", "http://host/path"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(StoreError, match="is not of the form"):
        MinioStore(endpoint, "pushline", "key", "secret")


def test_a_bound_is_checked_before_the_bytes_pass_it() -> None:
    passed = local.bounded("key", iter([b"ab", b"cd"]), 3)

    assert next(passed) == b"ab"
    with pytest.raises(ObjectTooLarge):
        next(passed)
