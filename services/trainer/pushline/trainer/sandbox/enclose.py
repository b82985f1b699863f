"""The second rung's launcher: makes namespaces and a root of its own, then becomes what it was told to start.

Runs alone (python -I -S enclose.py PLAN -- COMMAND…), outside at first, with one thread, on the standard library. Two processes
come of it: one that waits outside, and the first of the new process namespace, which takes all others with it when it ends.
"""

# ruff: noqa: PTH102, PTH103, PTH106, PTH110, PTH112, PTH120, PTH123, PTH211 - pathlib would be a third of its start-up time
import ctypes
import json
import os
import signal
import struct
import sys
from typing import Any

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH, AT_RECURSIVE, AT_FDCWD = 2, 0x8000, -100
READ_ONLY, NO_SUID, NO_DEVICES, NO_PROGRAMS = 1, 2, 4, 8
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 1, 24, 38, 47, 4
MOUNT_SETATTR = 442
CAPABILITY_VERSION = 0x20080522
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
AF_INET, SOCK_DGRAM, SIOCSIFFLAGS, IFF_UP = 2, 2, 0x8914, 1
BASE, OLD = "/tmp", "/.old"  # noqa: S108 - the new root is mounted there, and stays
LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    plan, command = json.loads(sys.argv[1]), sys.argv[3:]
    try:
        _separate(plan["uid"])
        child = os.fork()
        if child == 0:
            _build(plan)
            _give_up()
            os.execve(command[0], command, {})  # noqa: S606 - the plan's own
    except OSError as error:
        os.write(2, f"{error.filename or error}: {error.strerror}\n".encode())
        os._exit(1)
    os.closerange(0, 64)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _separate(uid: int) -> None:
    outer_user, outer_group = os.geteuid(), os.getegid()
    _die_with_parent()
    flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP
    _call("making namespaces", LIBC.unshare(flags))
    _die_with_parent()
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {outer_user} 1")
    _write("/proc/self/gid_map", f"{uid} {outer_group} 1")


def _build(plan: dict[str, Any]) -> None:
    """Make the new root in memory, show in it what the plan names, and let go of the old one."""
    _die_with_parent()
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("tmpfs", BASE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    os.mkdir(BASE + OLD)
    _call("changing the root", LIBC.syscall(PIVOT_ROOT[os.uname().machine], BASE.encode(), (BASE + OLD).encode()))
    os.chdir("/")
    for path, size, inodes in plan["memory"]:
        os.makedirs(path, exist_ok=True)
        _mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0755,size={size},nr_inodes={inodes}")
    for target, path in plan["links"]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)
    for source, path in plan["devices"]:
        _bind(source, path, READ_ONLY | NO_SUID | NO_PROGRAMS)  # a device is written all the same; its mode is not
    for source, path in plan["shown"]:
        _bind(source, path, READ_ONLY | NO_SUID | NO_DEVICES)
    for path, text in plan["files"]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(path, text)
    os.mkdir("/proc")
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _restrict("/proc", READ_ONLY, recursive=True)
    _call("leaving the old root", LIBC.umount2(OLD.encode(), MNT_DETACH))
    os.rmdir(OLD)
    _restrict("/dev", READ_ONLY)
    _restrict("/", READ_ONLY)
    host = plan["host"].encode()
    _call("naming the host", LIBC.sethostname(host, len(host)))
    _loopback()


def _bind(source: str, path: str, attributes: int) -> None:
    """The source's path has no links left in it: they would be followed in the new root."""
    if os.path.isdir(OLD + source):
        os.makedirs(path, exist_ok=True)
    elif not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o444))
    _mount(OLD + source, path, None, MS_BIND | MS_REC)
    _restrict(path, attributes, recursive=True)


def _restrict(path: str, attributes: int, *, recursive: bool = False) -> None:
    words = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    _call(f"restricting {path}", LIBC.syscall(MOUNT_SETATTR, AT_FDCWD, path.encode(), flags, words, len(words)))


def _mount(source: str | None, path: str, kind: str | None, flags: int, options: str | None = None) -> None:
    words = [text.encode() if text is not None else None for text in (source, path, kind, options)]
    _call(f"mounting {path}", LIBC.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]))


def _loopback() -> None:
    """So that a script can talk to itself, as it can under bubblewrap."""
    number = LIBC.socket(AF_INET, SOCK_DGRAM, 0)
    if number >= 0:
        LIBC.ioctl(number, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
        os.close(number)


def _give_up() -> None:
    _call("giving up rights", LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    LIBC.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    number = 0
    while LIBC.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    _call("giving up capabilities", LIBC.capset(struct.pack("Ii", CAPABILITY_VERSION, 0), bytes(24)))
    _die_with_parent()


def _die_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _call(what: str, answer: int) -> None:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


if __name__ == "__main__":
    main()
