"""Refuses this process new processes, programs, sockets and namespaces (seccomp); its threads go on as before.

So what limits one process limits all that a stranger's Python code can do in it. x86-64 and aarch64.
"""

import ctypes
import errno
import os
import struct

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
X32 = 0x40000000
CLONE_THREAD = 0x00010000
PR_SET_SECCOMP, MODE_FILTER = 22, 2
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3 = 435  # on both; its flags lie in memory, where a filter cannot look, and libraries have another way
REFUSED = {  # fork, vfork, execve(at), socket(pair), unshare, setns, ptrace, mount, process_vm_readv and _writev, keyctl, bpf
    "x86_64": (57, 58, 59, 322, 41, 53, 272, 308, 101, 165, 310, 311, 250, 321),
    "aarch64": (221, 281, 198, 199, 97, 268, 117, 40, 270, 271, 219, 280),
}
IO_URING = (425, 426, 427)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def known_here() -> bool:
    return os.uname().machine in ARCHITECTURES


def stay_alone() -> None:
    """For good, and for all threads that come. Raises OSError. Privileges must have been given up before."""
    program = filter_for(os.uname().machine)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(_Program(len(program) // 8, program)), 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def filter_for(machine: str) -> bytes:
    """Raises KeyError for a machine whose numbers are not known here."""
    steps = [_step(LOAD, ARCHITECTURE), _step(EQUAL, ARCHITECTURES[machine], 1, 0), _step(RETURN, KILL), _step(LOAD, NUMBER)]
    if machine == "x86_64":
        steps += [_step(AT_LEAST, X32, 0, 1), _refuse(errno.EPERM)]
    for number in (*REFUSED[machine], *IO_URING):
        steps += [_step(EQUAL, number, 0, 1), _refuse(errno.EPERM)]
    steps += [_step(EQUAL, CLONE3, 0, 1), _refuse(errno.ENOSYS)]
    steps += [_step(EQUAL, CLONE[machine], 0, 3), _step(LOAD, FIRST_ARGUMENT), _step(ANY_BIT, CLONE_THREAD, 1, 0)]
    return b"".join([*steps, _refuse(errno.EPERM), _step(RETURN, ALLOW)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _refuse(code: int) -> bytes:
    return _step(RETURN, ERRNO | code)
