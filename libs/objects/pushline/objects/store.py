"""The object-store port: files under content-addressed keys. minio_store.py and memory_store.py implement it, under one suite.

A reader believes digests, never keys. Every read verifies SHA-256 while it streams into a private temporary file; every write is
read back and verified before the call returns. Nobody ever sees a partial object. All calls are thread-safe.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


class StoreError(Exception):
    """Root of the errors of this package."""


class StoreUnavailable(StoreError):
    """The store cannot be reached, or says it cannot answer now. Transient: wait and try again."""


class ObjectMissing(StoreError):
    def __init__(self, key: str) -> None:
        super().__init__(f"no object under {key}")
        self.key = key


class DigestMismatch(StoreError):
    """What lies under the key is not what was promised."""

    def __init__(self, key: str, expected: str, actual: str) -> None:
        super().__init__(f"object {key} has SHA-256 {actual}, expected {expected}")
        self.key, self.expected, self.actual = key, expected, actual


class ObjectTooLarge(StoreError):
    def __init__(self, key: str, limit_bytes: int) -> None:
        super().__init__(f"object {key} is larger than {limit_bytes} bytes")
        self.key, self.limit_bytes = key, limit_bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """What an object is, whatever it is called."""

    key: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it. Its time is the store's, to be compared with `Store.clock` alone."""

    key: str
    size: int
    modified: datetime


class Store(Protocol):
    def put_file(self, key: str, path: Path) -> Stored:
        """Store a file; idempotent for content-addressed keys (an object that already verifies is not sent again).

        Sent or not, its time is that of this call: what somebody still means to use is not old.

        Raises StoreUnavailable, DigestMismatch (what was written does not read back).
        """
        ...

    def put_bytes(self, key: str, data: bytes) -> Stored: ...

    def fetch(self, key: str, sha256: str, max_bytes: int = ..., /) -> AbstractContextManager[Path]:
        """Yield a private local copy whose SHA-256 equals `sha256`, removed afterwards.

        Raises ObjectMissing, DigestMismatch, ObjectTooLarge, StoreUnavailable.
        """
        ...

    def fetch_to(self, key: str, sha256: str, path: Path, max_bytes: int = ..., /) -> None:
        """Like fetch, but the verified file is moved to `path` in one step (same errors; `path` is untouched on error)."""
        ...

    def read_bytes(self, key: str, max_bytes: int = ..., /) -> bytes:
        """Read an object whose digest nobody promised (progress, logs, manifests by listing). Same errors but DigestMismatch."""
        ...

    def exists(self, key: str, /) -> bool: ...

    def list(self, prefix: str, /) -> Iterator[str]:
        """Give the keys under a prefix in name order. Raises StoreUnavailable."""
        ...

    def objects(self, prefix: str, /) -> Iterator[Listed]:
        """Like list, with sizes and times."""
        ...

    def stat(self, key: str, /) -> Listed | None:
        """Give what lies under a key now; None where nothing does. Raises StoreUnavailable."""
        ...

    def clock(self) -> datetime:
        """Give the time by the store's own clock, which a small write under a reserved key tells. Raises StoreUnavailable."""
        ...

    def delete(self, key: str, /) -> None:
        """Remove an object; nothing happens where there is none. Raises StoreUnavailable."""
        ...

    def check(self) -> None:
        """Put, read back and list one small object. Raises StoreError with a sentence that names what is wrong."""
        ...
