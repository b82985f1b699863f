"""Runs a command that ends, by SIGNAL, with the process that started it: `python bound.py PARENT SIGNAL COMMAND…`. Needs nothing of
Pushline.

Linux alone knows how (PR_SET_PDEATHSIG survives exec); elsewhere the command simply runs.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def main(parent: int, ending: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, ending, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - our own command, no shell


def bound(command: Sequence[str], ending: int = signal.SIGTERM) -> list[str]:
    """Give the command line that runs `command` so, with this process as the parent. Bound to the thread that starts it."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(ending)), *command]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
