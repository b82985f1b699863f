"""Which loads are refused for want of memory; and what limits it, read from the files in which Linux tells it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pushline.predictor.adapters.memory import of_cgroups, of_machine, resident
from pushline.predictor.errors import LoadRefused
from pushline.predictor.room import EASE_SECONDS, MIB, Memory, MemoryRoom
from tests.waiting import until


class Nothing:
    """Of what could be given back."""

    spare: frozenset[str] = frozenset()

    def drop_spare(self) -> bool:
        return False


class Spare:
    """One model that takes so much of a machine's memory until it is dropped."""

    def __init__(self, machine: "Machine", size: int) -> None:
        self.spare, self._machine, self._size = frozenset({"numbers"}), machine, size

    def drop_spare(self) -> bool:
        there, self.spare = bool(self.spare), frozenset()
        self._machine.used -= self._size if there else 0
        return there


class Machine:
    """Its memory is what a test says."""

    def __init__(self, limit: int, used: int = 0) -> None:
        self.limit, self.used, self.looks = limit, used, 0

    def __call__(self) -> Memory:
        self.looks += 1
        return Memory(self.limit * MIB, self.used * MIB, "PUSHLINE_MEMORY")


def test_what_fits_to_the_byte_is_loaded_and_what_does_not_is_refused_with_the_figures() -> None:
    room = MemoryRoom(Machine(100, used=40), Nothing(), patience_seconds=0.0)

    with room.held(lambda: 60 * MIB):
        pass
    with (
        pytest.raises(
            LoadRefused, match=r"needs about 61 MiB .* 60 MiB are free of the 100 MiB that PUSHLINE_MEMORY allows"
        ) as told,
        room.held(lambda: 61 * MIB),
    ):
        pytest.fail("it was loaded")
    assert told.value.reason == "memory"


def test_what_several_processes_load_is_counted_for_each() -> None:
    room = MemoryRoom(Machine(100, used=40), Nothing(), patience_seconds=0.0, processes=3)

    with room.held(lambda: 20 * MIB):
        pass
    with (
        pytest.raises(LoadRefused, match="needs about 63 MiB of memory in 3 processes, and 60 MiB are free"),
        room.held(lambda: 21 * MIB),
    ):
        pytest.fail("it was loaded")


def test_more_in_use_than_allowed_is_no_room_at_all() -> None:
    with pytest.raises(LoadRefused, match="0 MiB are free"), MemoryRoom(Machine(100, used=120), Nothing(), 0.0).held(lambda: MIB):
        pytest.fail("it was loaded")


def test_without_a_limit_nothing_is_estimated() -> None:
    def needed() -> int:
        raise AssertionError("it was asked")

    with MemoryRoom(lambda: None, Nothing()).held(needed):
        pass


def test_a_load_waits_for_another_one_before_it_is_refused() -> None:
    machine = Machine(100)
    room = MemoryRoom(machine, Nothing(), patience_seconds=0.0)
    entered = threading.Event()

    def load() -> None:
        with room.held(lambda: 60 * MIB):
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with room.held(lambda: 60 * MIB):
            before = machine.looks
            second = pool.submit(load)
            until(lambda: machine.looks > before + 2, 10, "the second to look again")
            assert not entered.is_set()
        second.result(10)
    assert entered.is_set()


def test_memory_that_is_given_back_in_time_is_enough() -> None:
    machine = Machine(100, used=80)
    room = MemoryRoom(machine, Nothing(), patience_seconds=30.0)

    def load() -> None:
        with room.held(lambda: 60 * MIB):
            pass

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        until(lambda: machine.looks > 3, 10, "it to look")
        assert not loading.done()
        machine.used = 20
        loading.result(10)


def test_what_was_kept_for_a_load_that_failed_is_free_again() -> None:
    room = MemoryRoom(Machine(100), Nothing(), 0.0)
    for _ in range(3):
        with pytest.raises(OSError, match="no"), room.held(lambda: 60 * MIB):
            raise OSError("no")


def test_what_is_kept_for_a_rollback_goes_before_a_load_is_refused() -> None:
    machine = Machine(100, used=60)
    spare = Spare(machine, 30)
    room = MemoryRoom(machine, spare, patience_seconds=0.0)

    with room.held(lambda: 40 * MIB):
        assert spare.spare
    with room.held(lambda: 70 * MIB):
        assert not spare.spare
    with pytest.raises(LoadRefused), room.held(lambda: 71 * MIB):
        pytest.fail("it was loaded")


@pytest.mark.parametrize("of", ["its own", "the machine's"])
def test_what_is_kept_for_a_rollback_goes_when_memory_runs_short(monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    machine, now = Machine(100, used=80), [100.0]
    spare = Spare(machine, 30)
    room = MemoryRoom(machine, spare) if of == "its own" else MemoryRoom(lambda: None, spare, machine=machine)
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    room.ease()
    assert spare.spare
    machine.used = 91
    room.ease()
    assert spare.spare, "it looks seldom"
    now[0] += EASE_SECONDS
    room.ease()

    assert not spare.spare


def test_the_memory_of_a_machine_is_read_from_what_it_says() -> None:
    assert of_machine("MemTotal:  1000 kB\nMemFree: 10 kB\nMemAvailable:  300 kB\n") == Memory(
        1000 * 1024, 700 * 1024, "this machine"
    )
    assert of_machine("nonsense") is None


def group(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_of_nested_groups_the_one_with_the_least_room_counts(tmp_path: Path) -> None:
    group(tmp_path, memory__stat="inactive_file 5\n")
    group(
        tmp_path / "a", memory__max="1000\n", memory__current="900\n", memory__stat="anon 1\ninactive_file 200\nactive_file 100\n"
    )
    group(tmp_path / "a" / "b", memory__max="800\n", memory__current="100\n")
    group(tmp_path / "a" / "b" / "c", memory__max="max\n", memory__current="100\n")

    found = of_cgroups(tmp_path, "0::/a/b/c\n")

    assert found == Memory(1000, 600, "its cgroup")


def test_the_first_version_of_cgroups_is_read_too(tmp_path: Path) -> None:
    unlimited = {"memory__limit_in_bytes": "9223372036854771712\n", "memory__usage_in_bytes": "5000\n"}
    group(tmp_path / "memory", **unlimited)
    group(
        tmp_path / "memory" / "docker" / "x",
        memory__limit_in_bytes="2048\n",
        memory__usage_in_bytes="1024\n",
        memory__stat="inactive_file 1\ntotal_inactive_file 20\ntotal_active_file 4\n",
    )

    assert of_cgroups(tmp_path, "7:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n") == Memory(2048, 1000, "its cgroup")


def test_in_a_container_a_path_of_outside_leads_to_the_top(tmp_path: Path) -> None:
    group(tmp_path / "memory", memory__limit_in_bytes="2048", memory__usage_in_bytes="1000")

    assert of_cgroups(tmp_path, "4:memory:/docker/not-seen-here\n") == Memory(2048, 1000, "its cgroup")


@pytest.mark.parametrize("told", ["", "0::/", "4:memory:/../../..", "nonsense", "0::/../..\n:::\n"])
def test_where_nothing_says_a_limit_there_is_none(tmp_path: Path, told: str) -> None:
    inside = group(tmp_path / "cgroup")
    group(tmp_path, memory__max="1", memory__limit_in_bytes="1")

    assert of_cgroups(inside, told) is None


def test_a_process_counts_with_all_that_it_started(tmp_path: Path) -> None:
    for pid, kb, children in ((1, 100, "2 3 "), (2, 20, "4"), (3, 3, ""), (4, 1, ""), (5, 999, "")):
        group(tmp_path / str(pid), status=f"Name:\tx\nVmRSS:\t  {kb} kB\n")
        group(tmp_path / str(pid) / "task" / str(pid), children=children)

    assert resident(tmp_path, 1) == 124 * 1024
    assert resident(tmp_path, 77) == 0
