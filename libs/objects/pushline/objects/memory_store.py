"""The object store in memory, with failures that can be set. It keeps the same promises as minio_store.py, under the same suite."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from pushline.objects.local import CHECK_DATA, CHECK_KEY, CHUNK_BYTES, MAX_OBJECT_BYTES, bounded, private_file, write_verified
from pushline.objects.store import DigestMismatch, Listed, ObjectMissing, Stored, StoreUnavailable


class MemoryStore:
    """Implements Store. Thread-safe."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._lock = Lock()
        self._clock = clock
        self._objects: dict[str, bytes] = {}
        self._modified: dict[str, datetime] = {}
        self._away = False
        self._spoils_writes = False

    def put_file(self, key: str, path: Path) -> Stored:
        return self.put_bytes(key, path.read_bytes())

    def put_bytes(self, key: str, data: bytes) -> Stored:
        sha256 = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._check_here()
            self._objects[key] = data[:-1] if self._spoils_writes else data
            self._modified[key] = self._clock()
            actual = hashlib.sha256(self._objects[key]).hexdigest()
        if actual != sha256:
            raise DigestMismatch(key, sha256, actual)
        return Stored(key, sha256, len(data))

    @contextmanager
    def fetch(self, key: str, sha256: str, max_bytes: int = MAX_OBJECT_BYTES, /) -> Iterator[Path]:
        with private_file() as (path, file):
            write_verified(key, self._chunks(key, max_bytes), sha256, file)
            yield path

    def fetch_to(self, key: str, sha256: str, path: Path, max_bytes: int = MAX_OBJECT_BYTES, /) -> None:
        with private_file(path.parent) as (private, file):
            write_verified(key, self._chunks(key, max_bytes), sha256, file)
            os.fsync(file.fileno())
            private.replace(path)

    def read_bytes(self, key: str, max_bytes: int = MAX_OBJECT_BYTES, /) -> bytes:
        return b"".join(self._chunks(key, max_bytes))

    def exists(self, key: str, /) -> bool:
        with self._lock:
            self._check_here()
            return key in self._objects

    def list(self, prefix: str, /) -> Iterator[str]:
        with self._lock:
            self._check_here()
            return iter(sorted(key for key in self._objects if key.startswith(prefix)))

    def objects(self, prefix: str, /) -> Iterator[Listed]:
        return (found for key in self.list(prefix) if (found := self.stat(key)) is not None)

    def stat(self, key: str, /) -> Listed | None:
        with self._lock:
            self._check_here()
            return Listed(key, len(self._objects[key]), self._modified[key]) if key in self._objects else None

    def clock(self) -> datetime:
        with self._lock:
            self._check_here()
            return self._clock()

    def delete(self, key: str, /) -> None:
        with self._lock:
            self._check_here()
            self._objects.pop(key, None)
            self._modified.pop(key, None)

    def check(self) -> None:
        self.put_bytes(CHECK_KEY, CHECK_DATA)

    def set_unavailable(self, away: bool) -> None:
        """Be away, or back: every call raises StoreUnavailable meanwhile."""
        with self._lock:
            self._away = away

    def spoil_writes(self, spoil: bool) -> None:
        """Let every write lose its last byte on the way."""
        with self._lock:
            self._spoils_writes = spoil

    def corrupt(self, key: str, data: bytes) -> None:
        """Put other bytes under a key, as a broken disk or a stranger does."""
        with self._lock:
            self._objects[key] = data
            self._modified[key] = self._clock()

    def _check_here(self) -> None:
        if self._away:
            raise StoreUnavailable("the store is away")

    def _chunks(self, key: str, max_bytes: int) -> Iterator[bytes]:
        with self._lock:
            self._check_here()
            if key not in self._objects:
                raise ObjectMissing(key)
            data = self._objects[key]
        parts = (data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES))
        return bounded(key, parts, max_bytes)
