"""What a script in the sandbox reaches, and as whom the sandbox can be made."""

import ast
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushline.objects import manifest
from pushline.runtime import operator_file
from pushline.trainer.sandbox import box
from pushline.trainer.sandbox.box import SandboxUnavailable
from pushline.trainer.sandbox.bubblewrap import Bubblewrap
from pushline.trainer.sandbox.unshare import Unshare
from tests.fixtures.trainer_sandbox.scripts import RUNGS, STUB, Bench


@pytest.fixture(params=RUNGS)
def boxed(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(request.param(Path(sys.executable), tmp_path / "work"), tmp_path)


SYSTEM_PYTHON = "/usr/bin/python3"
SOURCES = [str(Path(str(each.__file__)).parents[level]) for each, level in ((box, 3), (operator_file, 2), (manifest, 2))]
AS_ANOTHER_USER = """
import sys, threading
from pathlib import Path
sys.path += sys.argv[2:]
from pushline.runtime.operator_file import Limits
from pushline.trainer.sandbox.box import Job
from pushline.trainer.sandbox.{module} import {name}
base = Path(sys.argv[1])
limits = Limits(9.0, 1 << 29, 40, 1 << 25, 1 << 20)
job = Job(base / "source", base / "launcher", (), limits, base / "results", print, print)
print({name}(Path("/usr/bin/python3"), base / "work").run(job, threading.Event()), flush=True)
"""
FORKS_UNTIL_REFUSED = """
import signal
children = []
try:
    while True:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        children.append(pid)
except OSError:
    print("forks:", len(children))
for pid in children:
    os.kill(pid, signal.SIGKILL)
open(OUT + "/result.json", "w").close()
"""
REACHES: list[tuple[str, str]] = [
    ("shadow", "print(open('/etc/shadow').read())"),
    ("the home folder", "print([name for name in os.listdir({home!r}) if name != '.pyenv'][0])"),
    ("a file of the operator", "print(open({canary!r}).read())"),
    ("other processes", "assert sum(name.isdigit() for name in os.listdir('/proc')) > 5"),
    ("the machine's network", "import socket; socket.create_connection(('127.0.0.1', {port}), 2)"),
    ("the outer network", "import socket; socket.create_connection(('192.0.2.1', 80), 2)"),
    ("the interpreter", "open(sys.prefix + '/canary', 'w')"),
    ("the launcher", "open(os.path.dirname(__file__) + '/canary', 'w')"),
    ("the root", "open('/canary', 'w')"),
    ("devices", "open('/dev/canary', 'w')"),
    ("a new name space", "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0"),
    (
        "a mount",
        "import ctypes; assert ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0",
    ),
]


@pytest.mark.parametrize(("what", "code"), REACHES, ids=[what for what, _ in REACHES])
def test_the_sandbox_keeps_a_script_from(boxed: Bench, what: str, code: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text(what)
    with listening() as port:
        ended = boxed.run(code.format(home=str(Path.home()), canary=str(canary), port=port))

    assert ended.exit_code == 1, ended.tail
    assert "Error" in ended.tail


def test_the_environment_inside_is_ours_alone(boxed: Bench) -> None:
    ended = boxed.run("""
        print(sorted(os.environ))
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                assert int(number) == os.getpid() or open(f"/proc/{number}/environ").read() == ""
            except PermissionError:
                pass
    """)

    expected = "CUDA_VISIBLE_DEVICES HDF5_PLUGIN_PATH HOME LANG LOGNAME PATH PYTHONHASHSEED TF_CPP_MIN_LOG_LEVEL TMPDIR USER"
    assert set(expected.split()) <= set(ast.literal_eval(ended.tail)) <= {*expected.split(), "LC_CTYPE", "PWD"}


def test_no_file_of_the_trainer_is_open_inside(boxed: Bench) -> None:
    ended = boxed.run("print(sorted(int(n) for n in os.listdir('/proc/self/fd')), PROGRESS)")

    numbers, progress = ended.tail.rsplit(" ", 1)
    assert set(ast.literal_eval(numbers)) <= {0, 1, 2, 3, int(progress)}


def test_without_bubblewrap_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_arguments, **_named: None)

    with pytest.raises(SandboxUnavailable, match="install the package bubblewrap"):
        Bubblewrap(Path(sys.executable), tmp_path).check()


def test_without_a_training_interpreter_the_message_names_it(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="/nowhere/python does not run"):
        Bubblewrap(Path("/nowhere/python"), tmp_path).check()


@pytest.mark.parametrize(("module", "name"), [("bubblewrap", "Bubblewrap"), ("unshare", "Unshare")])
def test_it_works_for_a_user_without_rights_and_home(module: str, name: str) -> None:
    """As uid 1000, where this test runs as root; everything above ran as whoever it is."""
    if os.getuid() != 0:
        return
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        for part in ("", "source", "launcher", "results", "work"):
            (base / part).mkdir(exist_ok=True)
            (base / part).chmod(0o777)
        (base / "launcher/launch.py").write_text(STUB + FORKS_UNTIL_REFUSED)
        (base / "run.py").write_text(AS_ANOTHER_USER.format(module=module, name=name))
        as_user = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "--inh-caps=-all"]

        command = [*as_user, SYSTEM_PYTHON, str(base / "run.py"), folder, *SOURCES]
        done = subprocess.run(command, env={}, cwd="/", capture_output=True, check=False, text=True)

    assert "exit_code=0" in done.stdout, done.stdout + done.stderr
    assert 20 < int(done.stdout.partition("forks: ")[2].split("\\n")[0]) < 40  # refused at 40 with all around it


@contextlib.contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_modes_of_devices_cannot_be_changed_on_the_second_rung(tmp_path: Path) -> None:
    """Where the trainer is root, they are its own; bubblewrap leaves them so."""
    mode = Path("/dev/null").stat().st_mode

    ended = Bench(Unshare(Path(sys.executable), tmp_path / "work"), tmp_path).run("os.chmod('/dev/null', 0o600)")

    assert ended.exit_code == 1
    assert Path("/dev/null").stat().st_mode == mode
