"""Bytes on their way: bounded, digested while they stream, private until they verify."""

import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pushline.objects.store import DigestMismatch, ObjectTooLarge

CHUNK_BYTES = 1024 * 1024
MAX_OBJECT_BYTES = 2 * 1024**3  # where the caller names no bound
CHECK_KEY = "checks/pushline"
CHECK_DATA = b"Pushline checks that it can write, read and list here.\n"


def digest_of(file: io.BytesIO | io.BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def bounded(key: str, data: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    """Pass chunks on. Raises ObjectTooLarge before the limit is passed."""
    seen = 0
    for chunk in data:
        seen += len(chunk)
        if seen > max_bytes:
            raise ObjectTooLarge(key, max_bytes)
        yield chunk


def write_verified(key: str, data: Iterable[bytes], sha256: str, file: IO[bytes]) -> None:
    """Write chunks to a file. Raises DigestMismatch at the end; nobody else may see the file before that."""
    digest = hashlib.sha256()
    for chunk in data:
        digest.update(chunk)
        file.write(chunk)
    file.flush()
    if digest.hexdigest() != sha256:
        raise DigestMismatch(key, sha256, digest.hexdigest())


@contextmanager
def private_file(folder: Path | None = None) -> Iterator[tuple[Path, IO[bytes]]]:
    """Give a new file that only this user can read, removed at the end unless it was moved away."""
    file = tempfile.NamedTemporaryFile(dir=folder, prefix=".pushline-", delete=False)  # noqa: SIM115 - closed and removed below
    path = Path(file.name)
    try:
        with file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)
