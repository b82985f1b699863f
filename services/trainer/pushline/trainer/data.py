"""Training data that does not live in git: named by digest, fetched outside the sandbox, shown to the script read-only."""

import hashlib
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pushline.line.stage import Transient
from pushline.objects.store import DigestMismatch, ObjectMissing, ObjectTooLarge, Store, StoreError
from pushline.trainer.failures import Failure
from pushline.trainer.leased_cache import LeaseCancelled, LeasedCache

MAX_FILES = 64
FOLDER = "data"
LOOK_SECONDS = 0.1
FETCH_SECONDS = 1800.0
_REFERENCE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/([^#?\s\\]{1,1000})#sha256=([0-9a-f]{64})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


class DataRefused(Exception):
    """The data cannot be had, now or later: an outcome of the run."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class DataFile:
    bucket: str
    key: str
    sha256: str

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def parse_data(texts: Sequence[str]) -> tuple[DataFile, ...]:
    """Raises ValueError with a sentence."""
    files = tuple(_parsed(text) for text in texts)
    if len(files) > MAX_FILES:
        raise ValueError(f"names more than {MAX_FILES} files")
    seen: dict[str, DataFile] = {}
    for file in files:
        if seen.setdefault(file.name.lower(), file) is not file:
            raise ValueError(f'names "{file.name}" twice; a file is shown under the last part of its key')
    return files


def _parsed(text: str) -> DataFile:
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text[:200]}" is not of the form s3://bucket/key#sha256=<64 hexadecimal digits>')
    file = DataFile(found[1], found[2], found[3])
    if any(part in ("", ".", "..") for part in file.key.split("/")) or not _NAME.fullmatch(file.name):
        raise ValueError(f'"{text[:200]}" has a name that no file may have')
    return file


@dataclass(frozen=True, slots=True)
class DataRules:
    """What a model's repository may have fetched."""

    allowed: tuple[str, ...]  # beginnings of addresses
    max_bytes: int  # of all files of a run together

    def check(self, file: DataFile) -> None:
        """Raises DataRefused."""
        if not file.address.startswith(self.allowed):
            may = ", ".join(self.allowed)
            raise DataRefused(Failure("data_not_allowed", f"{file.address} is not where this model's data may lie ({may})."))


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Thread-safe, and safe beside other processes with the same folder."""

    cache: LeasedCache
    store_of: Callable[[str], Store]  # by bucket

    @contextmanager
    def lease(self, file: DataFile, rules: DataRules, most: int, cancelled: threading.Event) -> Iterator[Path]:
        """Give the file, verified. Raises DataRefused, StoreError, Transient (too slow), LeaseCancelled."""
        rules.check(file)

        def make(folder: Path) -> None:
            with _refusals(file, rules):
                _fetch(self.store_of(file.bucket), file, folder / file.sha256, most, cancelled)

        while True:
            with self.cache.lease(file.sha256, make, cancelled) as folder:
                path = folder / file.sha256
                if path.stat().st_size > most:
                    raise DataRefused(_too_large(rules))
                if _digest(path) == file.sha256:
                    yield path
                    return
            self.cache.drop(file.sha256)  # changed on this machine


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _refusals(file: DataFile, rules: DataRules) -> Iterator[None]:
    try:
        yield
    except ObjectMissing:
        raise DataRefused(Failure("data_missing", f"{file.address} is not there.")) from None
    except DigestMismatch as error:
        sentence = f"{file.address} has SHA-256 {error.actual}, not {file.sha256} as pushline.toml says."
        raise DataRefused(Failure("data_wrong_digest", sentence)) from None
    except ObjectTooLarge:
        raise DataRefused(_too_large(rules)) from None
    except OSError as error:
        raise Transient(f"data: {file.address} cannot be written here: {error.strerror}") from None


def _too_large(rules: DataRules) -> Failure:
    return Failure(
        "data_too_large", f"The data that pushline.toml names has more than the {rules.max_bytes} bytes that it may have."
    )


def _fetch(store: Store, file: DataFile, path: Path, most: int, cancelled: threading.Event) -> None:
    """Fetch in a thread of its own: a slow store must not hold up a cancel. What comes too late finds no folder any more."""
    ended, errors = threading.Event(), list[Exception]()

    def fetch() -> None:
        try:
            store.fetch_to(file.key, file.sha256, path, most)
        except (StoreError, OSError) as error:
            errors.append(error)
        finally:
            ended.set()

    threading.Thread(target=fetch, name="data", daemon=True).start()
    left = FETCH_SECONDS
    while not ended.wait(LOOK_SECONDS):
        left -= LOOK_SECONDS
        if cancelled.is_set():
            raise LeaseCancelled
        if left <= 0:
            raise Transient(f"store: {file.address} did not arrive within {FETCH_SECONDS:g} s")
    if errors:
        raise errors[0]
    path.chmod(0o444)


def lay_out(folder: Path, own: Path, files: Sequence[tuple[str, Path]]) -> None:
    """Make the folder that is shown as data/: the repository's own files there, and those that were fetched. Raises DataRefused."""
    folder.mkdir()
    if own.is_dir():
        shutil.copytree(own, folder, symlinks=True, dirs_exist_ok=True)
    for name, path in files:
        if any(there.name.lower() == name.lower() for there in folder.iterdir()):
            sentence = f"The repository has {FOLDER}/{name} already, under which train.data would show a file of the store."
            raise DataRefused(Failure("data_clash", sentence))
        put(path, folder / name)


def put(path: Path, at: Path) -> None:
    """Show a file under another name, without a copy where the disk can."""
    with suppress(OSError):
        at.hardlink_to(path)
        return
    private = at.with_name(f".{secrets.token_hex(4)}")
    shutil.copyfile(path, private)
    private.chmod(0o444)
    private.rename(at)
