"""Every hostile script on every rung: no secret read, no packet out, nothing written outside, nobody left, and a limit named."""

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pushline.trainer.failures import failure_of
from pushline.trainer.sandbox import filters
from pushline.trainer.sandbox.box import Ended
from tests.fixtures.trainer_sandbox.hostile import HOSTILE
from tests.fixtures.trainer_sandbox.hostile_acts import OUTPUTS
from tests.fixtures.trainer_sandbox.hostile_kind import PRELUDE, Hostile
from tests.fixtures.trainer_sandbox.scripts import RUNGS, Bench, gone_within

CALLS = {**filters.REFUSED, **filters.NOT_THERE, "clone": filters.CLONE}
DEADLINE_MARGIN = 2.0 + 8.0  # what is promised, and room for tests that run beside this one


@dataclass
class Machine:
    """What a script could harm: secrets in files, in an environment and in a command line; ports that listen; a process."""

    folder: Path
    secret: str
    marker: str
    listening: dict[str, socket.socket]
    victim: "subprocess.Popen[bytes]"

    def words(self) -> dict[str, Any]:
        return {
            "secret": self.secret,
            "marker": self.marker,
            "folder": str(self.folder),
            "files": [str(path) for path in sorted(self.folder.glob("*.txt"))],
            "tcp": self.listening["tcp"].getsockname()[1],
            "udp": self.listening["udp"].getsockname()[1],
            "abstract": self.secret,
            "socket": str(self.folder / "socket"),
            "victim": self.victim.pid,
        }

    def heard(self) -> list[str]:
        return [name for name, plug in self.listening.items() if _hears(plug)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    folder, secret = tmp_path / "operator", uuid.uuid4().hex
    folder.mkdir()
    for name in ("settings", "store-keys", "git-token", "id_ed25519"):
        (folder / f"{name}.txt").write_text(secret)
    command = [sys.executable, "-c", "import time; time.sleep(600)", secret]
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        named, abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        named.bind(os.path.relpath(folder / "socket"))
        abstract.bind(f"\0{secret}")
        for plug in (named, abstract):
            plug.listen()
        victim = subprocess.Popen(command, env={"SECRET": secret})
        yield Machine(folder, secret, uuid.uuid4().hex, {"tcp": tcp, "udp": udp, "named": named, "abstract": abstract}, victim)
        assert victim.poll() is None
        victim.kill()
        victim.wait()


def _hears(plug: socket.socket) -> bool:
    plug.setblocking(False)
    try:
        if plug.type == socket.SOCK_DGRAM:
            plug.recv(1)
        else:
            plug.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("script", HOSTILE, ids=[each.name for each in HOSTILE])
def test_a_hostile_script_gets_nothing_and_leaves_nothing(script: Hostile, rung: Any, machine: Machine, tmp_path: Path) -> None:
    files = sorted(machine.folder.iterdir())
    bench = Bench(rung(Path(sys.executable), tmp_path / "work"), tmp_path)
    code = f"CALLS = {CALLS!r}\nV = {machine.words()!r}\n{PRELUDE}"

    ended = bench.run_whole(code, script.code, script.limits)

    log = b"".join(bench.log).decode("utf-8", "replace")
    assert "BREACH" not in log
    assert machine.secret not in log.replace(f"{machine.secret}'", "")  # it may name the socket that it did not reach
    assert machine.heard() == []
    assert sorted(machine.folder.iterdir()) == files
    assert gone_within(machine.marker, 0.5)
    assert_ended_as_expected(ended, script, log)


def assert_ended_as_expected(ended: Ended, script: Hostile, log: str) -> None:
    # NOTE: the kernel may end what takes more memory than it may before the supervisor does.
    by_kernel = script.stopped == "memory" and ended.memory_refused
    assert by_kernel or ended.stopped == script.stopped, log[-2000:]
    assert ended.seconds < script.limits.timeout_seconds + DEADLINE_MARGIN
    assert script.log_has in log
    assert all(character.isprintable() or character in "\n\t" for character in ended.tail)
    if script.stopped:
        failure = failure_of(ended, None, script.limits, "train.py")
        assert failure is not None
        assert failure.reason == script.stopped
        assert ended.files == {}
    else:
        assert ended.exit_code in script.exits, log[-2000:]
    if script in OUTPUTS:
        assert ended.files == {}
        assert set(ended.refused) == {"model.h5"}


def test_the_table_is_long_enough_and_names_each_once() -> None:
    assert len({each.name for each in HOSTILE}) == len(HOSTILE) >= 25
