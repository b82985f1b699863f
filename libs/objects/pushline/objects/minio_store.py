"""The object store on S3's protocol, through the minio SDK."""

import hashlib
import io
import os
import ssl
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import REPLACE, CopySource
from minio.datatypes import Object
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError, ReadTimeoutError

from pushline.objects.local import (
    CHECK_DATA,
    CHECK_KEY,
    CHUNK_BYTES,
    MAX_OBJECT_BYTES,
    bounded,
    digest_of,
    private_file,
    write_verified,
)
from pushline.objects.refusals import sentence_of
from pushline.objects.store import DigestMismatch, Listed, ObjectMissing, Stored, StoreError, StoreUnavailable

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 5.0  # between two pieces of an answer; a store that stands still is to be named soon
CONNECTIONS = 16
PART_BYTES = 16 * 1024 * 1024


class _Retries(urllib3.Retry):
    """Connections that broke are tried again; an answer that does not come is not waited for a second time."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: urllib3.connectionpool.ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


RETRIES = _Retries(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])


class MinioStore:
    """Implements Store. Thread-safe; connects when first used."""

    def __init__(self, endpoint_url: str, bucket: str, access_key: str, secret_key: str, region: str = "us-east-1") -> None:
        url = urlsplit(endpoint_url)
        if url.scheme not in ("http", "https") or not url.netloc or url.path.strip("/"):
            raise StoreError(f"the store's endpoint {endpoint_url!r} is not of the form http://host:port or https://host:port")
        self._bucket = bucket
        self._where = f"{endpoint_url} bucket {bucket}"
        self._client = Minio(
            url.netloc,
            access_key,
            secret_key,
            secure=url.scheme == "https",
            region=region,
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=READ_TIMEOUT_SECONDS),
                retries=RETRIES,
                maxsize=CONNECTIONS,
                ssl_context=ssl.create_default_context(),
            ),
        )

    def put_file(self, key: str, path: Path) -> Stored:
        with path.open("rb") as file:
            return self._put(key, file)

    def put_bytes(self, key: str, data: bytes) -> Stored:
        return self._put(key, io.BytesIO(data))

    @contextmanager
    def fetch(self, key: str, sha256: str, max_bytes: int = MAX_OBJECT_BYTES, /) -> Iterator[Path]:
        with private_file() as (path, file):
            self._fetch(key, sha256, file, max_bytes)
            yield path

    def fetch_to(self, key: str, sha256: str, path: Path, max_bytes: int = MAX_OBJECT_BYTES, /) -> None:
        with private_file(path.parent) as (private, file):
            self._fetch(key, sha256, file, max_bytes)
            os.fsync(file.fileno())
            private.replace(path)

    def read_bytes(self, key: str, max_bytes: int = MAX_OBJECT_BYTES, /) -> bytes:
        with closing(self._chunks(key)) as chunks:
            return b"".join(bounded(key, chunks, max_bytes))

    def exists(self, key: str, /) -> bool:
        return self.stat(key) is not None

    def list(self, prefix: str, /) -> Iterator[str]:
        return (found.key for found in self.objects(prefix))

    def objects(self, prefix: str, /) -> Iterator[Listed]:
        with self._errors_named(prefix):
            for found in self._client.list_objects(self._bucket, prefix, recursive=True):
                yield _listed(found)

    def stat(self, key: str, /) -> Listed | None:
        try:
            with self._errors_named(key):
                return _listed(self._client.stat_object(self._bucket, key))
        except ObjectMissing:
            return None

    def clock(self) -> datetime:
        self.put_bytes(CHECK_KEY, CHECK_DATA)
        found = next((each for each in self.objects(CHECK_KEY) if each.key == CHECK_KEY), None)  # stat knows whole seconds only
        if found is None:
            raise StoreUnavailable(f"{self._where}: what was written under {CHECK_KEY} is not there")
        return found.modified

    def delete(self, key: str, /) -> None:
        with self._errors_named(key):
            self._client.remove_object(self._bucket, key)

    def make_bucket(self) -> bool:
        """Make the bucket, where it is not there; say whether it was made."""
        with self._errors_named(self._bucket):
            if self._client.bucket_exists(self._bucket):
                return False
            self._client.make_bucket(self._bucket)
            return True

    def read_range(self, key: str, first: int, size: int, /) -> bytes:
        """Give a part of an object, unverified."""
        with self._errors_named(key):
            response = self._client.get_object(self._bucket, key, first, size)
            try:
                return response.read()
            finally:
                response.close()
                response.release_conn()

    def check(self) -> None:
        self.put_bytes(CHECK_KEY, CHECK_DATA)
        if CHECK_KEY not in self.list(CHECK_KEY):
            raise StoreError(f"{self._where}: what was written does not show up in a listing")

    def _put(self, key: str, file: io.BytesIO | io.BufferedReader) -> Stored:
        sha256 = digest_of(file)
        stored = Stored(key, sha256, file.seek(0, io.SEEK_END))
        if sha256 in key and self._is_there_again(key, sha256):
            return stored
        file.seek(0)
        with self._errors_named(key):
            self._client.put_object(self._bucket, key, file, stored.size, part_size=PART_BYTES, num_parallel_uploads=1)
        actual = self._digest(key)
        if actual != sha256:
            raise DigestMismatch(key, sha256, actual)
        return stored

    def _is_there_again(self, key: str, sha256: str) -> bool:
        """Make the object's time anew by copying it onto itself, then look: who removes what is old sees one or the other."""
        try:
            with self._errors_named(key):
                source = CopySource(self._bucket, key)
                self._client.copy_object(self._bucket, key, source, metadata_directive=REPLACE, metadata={"kept": "again"})
            return self._digest(key) == sha256
        except ObjectMissing:
            return False

    def _digest(self, key: str) -> str:
        digest = hashlib.sha256()
        with closing(self._chunks(key)) as chunks:
            for chunk in chunks:
                digest.update(chunk)
        return digest.hexdigest()

    def _fetch(self, key: str, sha256: str, file: IO[bytes], max_bytes: int) -> None:
        with closing(self._chunks(key)) as chunks:
            write_verified(key, bounded(key, chunks, max_bytes), sha256, file)

    def _chunks(self, key: str) -> Generator[bytes, None, None]:
        with self._errors_named(key):
            response = self._client.get_object(self._bucket, key)
            try:
                yield from response.stream(CHUNK_BYTES)
            finally:
                response.close()
                response.release_conn()

    @contextmanager
    def _errors_named(self, key: str) -> Iterator[None]:
        """Say in the port's words what went wrong. A refusal (keys, rights, no bucket) is waited out too: a person must mend it."""
        try:
            yield
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise ObjectMissing(key) from None
            raise StoreUnavailable(f"{self._where}: {sentence_of(error)}") from None
        except (HTTPError, MinioException) as error:
            raise StoreUnavailable(f"{self._where}: {error}") from None


def _listed(found: Object) -> Listed:
    if found.object_name is None or found.last_modified is None:
        raise StoreUnavailable(f"the store lists {found.object_name!r} without a time")
    return Listed(found.object_name, found.size or 0, found.last_modified)
