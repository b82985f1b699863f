"""What a process gives up before it opens a stranger's file. What the machine does not let it give up, it keeps."""

import ctypes
import os
import resource
import signal
import sys
import threading
from collections.abc import Mapping

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
KINDS = {
    "data_bytes": resource.RLIMIT_DATA,  # not the address space: TensorFlow reserves far more than it uses
    "cpu_seconds": resource.RLIMIT_CPU,
    "file_bytes": resource.RLIMIT_FSIZE,
    "files": resource.RLIMIT_NOFILE,
}


def leave_the_network() -> None:
    """Before any thread is there."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)  # refused in some containers, and done already in a sandbox


def keep_to(limits: Mapping[str, int]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, kind in KINDS.items():
        if name in limits:
            resource.setrlimit(kind, (limits[name], limits[name]))


def end_with_parent(parent: int) -> None:
    """For a child of a thread that lives as long as it is wanted: the kernel ends it with that thread."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal's interrupt goes to the parent, which still has calls to answer
        signal.signal(number, signal.SIG_IGN)


def end_when_closed(descriptor: int) -> None:
    """A second way to end with the parent: nobody holds the other end of this pipe."""

    def wait() -> None:
        os.read(descriptor, 1)
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
