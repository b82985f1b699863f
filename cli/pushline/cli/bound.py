"""Runs a command that ends with the process that started it: `python bound.py PARENT COMMAND…`. Needs nothing of Pushline.

Linux alone knows how (PR_SET_PDEATHSIG survives exec); elsewhere the command simply runs.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - our own command, no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
