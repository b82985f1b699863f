"""Gives up the file system but for what is named (Landlock), in this process and all that come of it. Linux 5.13 and newer.

What is confined so can also no longer look into the processes outside, their environments above all, nor signal them (6.12).
"""

import ctypes
import os
import struct
from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION, PATH_BENEATH = 1, 1
RIGHTS_BY_VERSION = (0, 13, 14, 15, 15, 16)  # rights on files that each version knows
EXECUTE, WRITE_FILE, READ_FILE, READ_FOLDER, MAKE_CHAR, MAKE_BLOCK, USE_DEVICE = (1 << bit for bit in (0, 1, 2, 3, 6, 11, 15))
SIGNALS_AND_SOCKETS, KNOWS_SCOPES, KNOWS_NETWORK = 0b11, 6, 4
LIBC = ctypes.CDLL(None, use_errno=True)


def confine(readable: Iterable[str], writable: Iterable[str]) -> bool:
    """Say False where the kernel has none, and raise OSError where it refuses. Privileges must have been given up before."""
    version = LIBC.syscall(CREATE_RULESET, None, 0, ASK_VERSION)
    if version < 1:
        return False
    known = (1 << RIGHTS_BY_VERSION[min(version, len(RIGHTS_BY_VERSION) - 1)]) - 1
    size = 24 if version >= KNOWS_SCOPES else 16 if version >= KNOWS_NETWORK else 8
    rules = _call(LIBC.syscall(CREATE_RULESET, struct.pack("QQQ", known, 0, SIGNALS_AND_SOCKETS)[:size], size, 0))
    for path in readable:
        _allow(rules, path, EXECUTE | READ_FILE | READ_FOLDER)
    for path in writable:
        _allow(rules, path, known & ~(MAKE_CHAR | MAKE_BLOCK | USE_DEVICE))
    _call(LIBC.syscall(RESTRICT_SELF, rules, 0))
    os.close(rules)
    return True


def _allow(rules: int, path: str, rights: int) -> None:
    if os.path.exists(path):  # noqa: PTH110 - without a Path for every entry
        if not os.path.isdir(path):  # noqa: PTH112
            rights &= EXECUTE | READ_FILE | WRITE_FILE
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _call(LIBC.syscall(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights, place), 0))
        os.close(place)


def _call(answer: int) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer
