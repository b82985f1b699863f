"""The supervisor with real processes: tiny services that write their ports file and wait."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pushline.cli.exits import Said
from pushline.cli.supervisor import Service, Supervisor
from tests.waiting import until

SERVICE = """
import json, os, signal, sys, threading
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
with open(os.environ["PORTS"] + ".new", "w") as out:
    json.dump({"metrics": int(os.environ.get("PUSHLINE_METRICS_PORT", "0")) or os.getpid()}, out)
os.replace(os.environ["PORTS"] + ".new", os.environ["PORTS"])
stop.wait()
"""
PARENT = """
import sys, json
from pathlib import Path
from tests.integration.cli.test_cli_supervisor import a_service
from pushline.cli.supervisor import Supervisor
folder = Path(sys.argv[1])
supervisor = Supervisor([a_service(folder)], print)
supervisor.start()
supervisor.wait_listening(30, lambda s: __import__("threading").Event().wait(s))
print(supervisor.children[0].pid, flush=True)
sys.stdin.read()
"""


def a_service(folder: Path, script: str = SERVICE) -> Service:
    ports = folder / "ports.json"
    environ = {**os.environ, "PORTS": str(ports)}  # noqa: TID251 - a child needs PATH
    return Service("echo", [sys.executable, "-c", script], environ, ports, folder / "log")


def wait(seconds: float) -> bool:
    return threading.Event().wait(seconds)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_service_that_dies_is_started_again_on_the_same_ports(tmp_path: Path) -> None:
    told: list[str] = []
    supervisor = Supervisor([a_service(tmp_path)], told.append)
    supervisor.start()
    try:
        ports = supervisor.wait_listening(20, wait)["echo"]
        first = supervisor.children[0].pid
        os.kill(first, signal.SIGKILL)

        def again() -> bool:
            supervisor.tend()
            return supervisor.children[0].pid != first and not supervisor.children[0].ended

        until(again)
        assert told == ["echo was killed by SIGKILL; it starts again in 0.5 s"]
        until(lambda: json.loads((tmp_path / "ports.json").read_text()) == ports)
    finally:
        supervisor.stop(5)
    assert supervisor.children[0].ended


def test_a_service_that_ends_while_starting_is_told_with_its_last_words(tmp_path: Path) -> None:
    supervisor = Supervisor([a_service(tmp_path, "import sys; sys.exit('PUSHLINE_KAFKA is missing')")], print)
    supervisor.start()

    with pytest.raises(Said, match="ended with exit code 1 while starting:\nPUSHLINE_KAFKA is missing"):
        supervisor.wait_listening(20, wait)

    supervisor.stop(5)


def test_a_service_that_does_not_stop_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    stubborn = SERVICE.replace("stop.set()", "None").replace("stop.wait()", "import subprocess; subprocess.run(['sleep', '600'])")
    told: list[str] = []
    supervisor = Supervisor([a_service(tmp_path, stubborn)], told.append)
    supervisor.start()
    supervisor.wait_listening(20, wait)
    group = supervisor.children[0].pid
    until(lambda: len(in_group(group)) == 2)

    supervisor.stop(0.2)

    assert told == ["echo did not stop within 0.2 s and was killed"]
    until(lambda: in_group(group) == [])


def in_group(group: int) -> list[int]:
    told = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in told.splitlines()]
    return [int(pid) for pid, pgid, state in rows if int(pgid) == group and not state.startswith("Z")]


def test_services_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert runs(child)

        parent.kill()

        until(lambda: not runs(child))
