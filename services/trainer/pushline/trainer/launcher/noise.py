"""TensorFlow's native code writes to file descriptor 2 past Python; what tells a script's author nothing is held back here."""

import contextlib
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO

KEPT_BYTES = 64 * 1024
NOISE = re.compile(rb"[IW]\d{4} |WARNING: All log messages before absl|INFO: Created TensorFlow Lite|To enable the following")


def quieten_python() -> None:
    warnings.filterwarnings("ignore", message=".*__array__.*copy.*", category=DeprecationWarning)
    warnings.filterwarnings("ignore", message=r"(?s).*tf\.lite\.Interpreter is deprecated.*")


def quieten_absl() -> None:
    """Once Keras is there: it advises another file format than the one that Pushline asks for, at every save."""
    logging.getLogger("absl").addFilter(lambda record: "HDF5 file" not in str(record.msg))


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold descriptor 2 back for the block, and let through what is no known noise; everything, if the block raises."""
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            _back(screen)
            os.write(2, _end_of(kept))
            raise
        _back(screen)
        os.write(2, b"".join(line for line in _end_of(kept).splitlines(keepends=True) if not NOISE.match(line)))


@contextlib.contextmanager
def dropped() -> Iterator[None]:
    """Drop descriptor 2 for the block: the converter's diagnostics, which are also in the exception that it raises."""
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            _back(screen)


def _back(screen: int) -> None:
    sys.stderr.flush()
    os.dup2(screen, 2)
    os.close(screen)


def _end_of(kept: IO[bytes]) -> bytes:
    kept.seek(max(0, kept.seek(0, os.SEEK_END) - KEPT_BYTES))
    return kept.read()
