"""The filter of system calls, worked out step by step as the kernel would; so for the machine that this does not run on too."""

import errno
import struct

import pytest

from pushline.trainer.sandbox import filters
from pushline.trainer.sandbox.filters import ALLOW, ERRNO, KILL, MACHINES, seccomp_program

READ = {"x86_64": 0, "aarch64": 63}


def answer(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """Give what the program returns for a call."""
    words = [*arguments, *([0] * (6 - len(arguments)))]
    data = struct.pack("<iIQ6Q", number, MACHINES[machine].audit if audit is None else audit, 0, *words)
    steps = list(struct.iter_unpack("<HBBI", seccomp_program(machine)))
    at = held = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == filters.RETURN:
            return int(value)
        if code == filters.LOAD:
            held = struct.unpack_from("<I", data, value)[0]
        elif code == filters.AND:
            held &= value
        else:
            is_so = {filters.EQUAL: held == value, filters.AT_LEAST: held >= value, filters.ANY_BIT: bool(held & value)}[code]
            at += if_true if is_so else if_false


@pytest.fixture(params=sorted(MACHINES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_ordinary_call_passes(machine: str) -> None:
    assert answer(machine, READ[machine]) == ALLOW


def test_every_call_of_the_tables_is_refused(machine: str) -> None:
    column = MACHINES[machine].column
    for table, code in ((filters.REFUSED, errno.EPERM), (filters.NOT_THERE, errno.ENOSYS)):
        known = {name: numbers[column] for name, numbers in table.items() if numbers[column] >= 0}
        assert {name: answer(machine, number) for name, number in known.items()} == dict.fromkeys(known, ERRNO | code)


def test_calls_by_other_rules_than_the_machines_own_end_the_process(machine: str) -> None:
    assert answer(machine, READ[machine], audit=0x40000003) == KILL


def test_the_second_table_of_calls_of_x86_is_shut() -> None:
    assert answer("x86_64", 0x40000000 | 165) == ERRNO | errno.EPERM


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("CLONE", (0x00010000 | 17,), ALLOW),
        ("CLONE", (0x10000000 | 17,), ERRNO | errno.EPERM),
        ("SOCKET", (1, 1), ALLOW),
        ("SOCKET", (10, 2 | 0o2000000), ALLOW),
        ("SOCKET", (2, 3 | 0o2000000), ERRNO | errno.EPERM),
        ("SOCKET", (16, 2), ERRNO | errno.EAFNOSUPPORT),
        ("SOCKET", (40, 1), ERRNO | errno.EAFNOSUPPORT),
        ("IOCTL", (0, 0x5401), ALLOW),
        ("IOCTL", (0, 0x5412), ERRNO | errno.EPERM),
        ("IOCTL", (0, 0x100005412), ERRNO | errno.EPERM),
        ("PRCTL", (15,), ALLOW),
        ("PRCTL", (4, 0), ERRNO | errno.EPERM),
    ],
)
def test_some_calls_are_looked_at_more_closely(machine: str, call: str, arguments: tuple[int, ...], expected: int) -> None:
    number = getattr(filters, call)[MACHINES[machine].column]

    assert answer(machine, number, *arguments) == expected
