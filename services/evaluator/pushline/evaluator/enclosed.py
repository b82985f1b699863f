"""Gives up what it can and becomes another command: `python -I -m pushline.evaluator.enclosed JSON COMMAND…`.

JSON names limits, readable and writable places, and the process that this one must not outlive (0: somebody else sees to it).
"""

import ctypes
import json
import os
import signal
import sys

from pushline.evaluator.confinement import SYSTEM, give_up

PR_SET_PDEATHSIG = 1
DEVICES = ("/dev/urandom", "/dev/random", "/dev/zero")
NOWHERE = "/dev/null"


def main() -> None:
    told, command = json.loads(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if told["parent"] and os.getppid() != told["parent"]:
        sys.exit("who started this is gone")
    give_up(told["limits"], [*SYSTEM, *DEVICES, *told["readable"]], [*told["writable"], NOWHERE])
    try:
        os.execvp(command[0], command)  # noqa: S606 - a shell would only read the words again
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
