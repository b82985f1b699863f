"""A file of an operator's that is read whole: regular, however it is linked to, and not large. Nobody waits for anything else."""

import os
import stat
from pathlib import Path

MAX_BYTES = 1 << 20


class Unfit(Exception):
    """The file is none to be read; the message is what follows after its name."""


def read(path: Path) -> bytes:
    """Raises Unfit, and OSError where it cannot be read.

    NOTE: to open a named pipe waits for its writer, for ever where there is none, unless it is told not to.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Unfit(f"is larger than {MAX_BYTES} bytes")
    return data


def _open_at_once(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unfit("is no regular file")
    return descriptor
