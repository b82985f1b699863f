"""The system calls that a script never needs, refused by the kernel (seccomp), and what it may write to (Landlock). Pure.

The filter is a classic BPF program, made here as bytes and installed by the supervisor in what it starts.
"""

import errno
import struct
from dataclasses import dataclass

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, AND, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
X32 = 0x40000000
NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
AF_UNIX, AF_INET, AF_INET6, SOCK_RAW = 1, 2, 10, 3
TIOCSTI, TIOCLINUX, PR_SET_DUMPABLE = 0x5412, 0x541C, 4


@dataclass(frozen=True, slots=True)
class Machine:
    audit: int
    column: int  # in the tables below
    has_x32: bool


MACHINES = {"x86_64": Machine(0xC000003E, 0, True), "aarch64": Machine(0xC00000B7, 1, False)}
# Numbers on x86-64 and aarch64; -1 where there is none.
CLONE, SOCKET, IOCTL, PRCTL = (56, 220), (41, 198), (16, 29), (157, 167)
REFUSED = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "iopl": (172, -1),
    "ioperm": (173, -1),
    "modify_ldt": (154, -1),
    "uselib": (134, -1),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "shmget": (29, 194),  # memory that belongs to no process and that no watchdog sees
    "msgget": (68, 186),
    "semget": (64, 190),
}
NOT_THERE = {  # programs have another way for kernels without these
    "clone3": (435, 435),  # its flags lie in memory, where a filter cannot look
    "memfd_create": (319, 279),  # as shmget
    "memfd_secret": (447, 447),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
}


def seccomp_program(machine: str) -> bytes:
    """Raises KeyError for a machine whose numbers are not known here."""
    kind = MACHINES[machine]
    program = [_step(LOAD, ARCHITECTURE), _step(EQUAL, kind.audit, 1, 0), _step(RETURN, KILL), _step(LOAD, NUMBER)]
    if kind.has_x32:
        program += [_step(AT_LEAST, X32, 0, 1), _refuse(errno.EPERM)]
    for table, code in ((REFUSED, errno.EPERM), (NOT_THERE, errno.ENOSYS)):
        numbers = (each[kind.column] for each in table.values())
        program += [step for number in numbers if number >= 0 for step in (_step(EQUAL, number, 0, 1), _refuse(code))]
    for numbers_of, body in ((CLONE, _clone()), (SOCKET, _socket()), (IOCTL, _ioctl()), (PRCTL, _prctl())):
        program += [_step(EQUAL, numbers_of[kind.column], 0, len(body)), *body]
    return b"".join([*program, _step(RETURN, ALLOW)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _refuse(code: int) -> bytes:
    return _step(RETURN, ERRNO | code)


def _argument(place: int) -> bytes:
    return _step(LOAD, FIRST_ARGUMENT + 8 * place)


def _clone() -> list[bytes]:
    return [_argument(0), _step(ANY_BIT, NAMESPACES, 0, 1), _refuse(errno.EPERM), _step(RETURN, ALLOW)]


def _socket() -> list[bytes]:
    """A network namespace holds neither netlink's every family nor vsock; so only the plain families are left."""
    is_raw = [_argument(1), _step(AND, 0xF), _step(EQUAL, SOCK_RAW, 0, 1), _refuse(errno.EPERM)]
    families = [_step(EQUAL, family, 0, 1) + _step(RETURN, ALLOW) for family in (AF_UNIX, AF_INET, AF_INET6)]
    steps = [*is_raw, _argument(0), *(part for pair in families for part in (pair[:8], pair[8:]))]
    return [*steps, _refuse(errno.EAFNOSUPPORT)]


def _ioctl() -> list[bytes]:
    refused = [step for number in (TIOCSTI, TIOCLINUX) for step in (_step(EQUAL, number, 0, 1), _refuse(errno.EPERM))]
    return [_argument(1), *refused, _step(RETURN, ALLOW)]


def _prctl() -> list[bytes]:
    """A process that says it is not to be looked at would hide its memory from a watchdog without rights."""
    return [_argument(0), _step(EQUAL, PR_SET_DUMPABLE, 0, 1), _refuse(errno.EPERM), _step(RETURN, ALLOW)]
