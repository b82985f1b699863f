"""What a process gives up before it touches a stranger's program: privileges, network, files, memory and time."""

import ctypes
import resource
import sys
from collections.abc import Iterable, Mapping, Sequence

from pushline.evaluator.landlock import confine

SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/sys/devices/system/cpu")
CLONE_NEWUSER, CLONE_NEWNET, PR_SET_NO_NEW_PRIVS = 0x10000000, 0x40000000, 38
KINDS = {
    "memory_bytes": resource.RLIMIT_AS,
    "data_bytes": resource.RLIMIT_DATA,
    "cpu_seconds": resource.RLIMIT_CPU,
    "output_bytes": resource.RLIMIT_FSIZE,
    "files": resource.RLIMIT_NOFILE,
    "core_bytes": resource.RLIMIT_CORE,
}


def readable_here() -> list[str]:
    """What this interpreter and its libraries are made of."""
    return [*SYSTEM, sys.prefix, sys.base_prefix, *filter(None, sys.path)]


def give_up(limits: Mapping[str, int], readable: Iterable[str], writable: Sequence[str]) -> None:
    """`limits` has the kinds that count here; they, and all else, count for what is started from here too."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)  # best effort: refused in some containers, and done already under bubblewrap
    confine(readable, writable)  # where there is no bubblewrap, this is what hides the machine's files
    for name, kind in KINDS.items():
        if name in limits:
            resource.setrlimit(kind, (limits[name], limits[name]))
