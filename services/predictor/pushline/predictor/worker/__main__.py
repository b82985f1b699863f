"""A further process of a predictor: `python -m pushline.predictor.worker NUMBER SOCKET`, as workers.py starts it."""

import ctypes
import os
import signal
import socket
import sys

from pushline.predictor.follower import Follower
from pushline.predictor.frames import Frames
from pushline.predictor.settings import SWITCH_SECONDS, ServingSettings
from pushline.runtime import logs
from pushline.runtime.settings import SettingsError, read
from pushline.runtime.shutdown import Shutdown

PR_SET_PDEATHSIG = 1


def end_with_leader() -> None:
    """By the kernel, whatever this process does then. Elsewhere than on Linux the closed socket alone says so."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> int:
    number, end = sys.argv[1:]
    end_with_leader()
    sys.setswitchinterval(SWITCH_SECONDS)
    log = logs.configure("pushline-predictor").bind(**{"labels.worker": int(number)})
    shutdown = Shutdown()
    shutdown.install()
    try:
        Follower(read(ServingSettings, os.environ), Frames(socket.socket(fileno=int(end))), shutdown, log).run()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
