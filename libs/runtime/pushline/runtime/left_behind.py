"""Ends processes that a killed one left behind, told by what stands on their command line."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOOKS, LOOK_AGAIN_SECONDS = 50, 0.02  # of a process that is slow to go


def end(is_left: Callable[[bytes], bool]) -> None:
    """End this user's processes whose command line, words apart by zero bytes, is one of something left behind.

    Looks again until there are none, since one that ended may have started another in front of it.
    """
    for _ in range(LOOKS):
        if not _ended(is_left):
            return
        time.sleep(LOOK_AGAIN_SECONDS)


def _ended(is_left: Callable[[bytes], bool]) -> bool:
    found = False
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is somebody else's
            if process.stat().st_uid == os.geteuid() and is_left((process / "cmdline").read_bytes()):
                os.kill(int(process.name), signal.SIGKILL)
                found = True
    return found
