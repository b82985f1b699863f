"""The repository's Python files in one archive, for the metrics of its own: they are computed where the model is judged.

They are those of the commit: nothing that ran in the sandbox could write them. The same files give the same bytes.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pushline.trainer.failures import Failure
from pushline.trainer.sandbox.box import Received

NAME = "metrics.zip"
MAX_FILES, MAX_BYTES = 1_000, 8 * 1024 * 1024
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that an archive can name


class BundleRefused(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


def module_file(folder: Path, function: str) -> Path | None:
    """Give the file of the module in python:module:function, if the repository has it."""
    stem = folder.joinpath(*function.split(":")[1].split("."))
    found = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in found if path.is_file() and path.resolve().is_relative_to(folder.resolve())), None)


def bundle(source: Path, to: Path) -> Received:
    """Raises BundleRefused."""
    files = list(_python_files(source))
    size = sum(path.stat().st_size for path in files)
    if len(files) > MAX_FILES or size > MAX_BYTES:
        has = f"{len(files)} Python files of {size} bytes"
        limit = f"at most {MAX_FILES} of {MAX_BYTES} bytes go with evaluate.metrics"
        raise BundleRefused(Failure("metrics_too_large", f"The repository has {has}; {limit}."))
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.writestr(zipfile.ZipInfo(path.relative_to(source).as_posix(), LONG_AGO), path.read_bytes())
    with to.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Received(NAME, to, digest, to.stat().st_size)


def _python_files(source: Path) -> Iterator[Path]:
    yield from (path for path in sorted(source.rglob("*.py")) if path.is_file() and not path.is_symlink())
