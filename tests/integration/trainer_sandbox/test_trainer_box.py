"""Both ways to run repository code, with small scripts in the launcher's place: what they reach, and how they are stopped."""

import ast
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pushline.objects import manifest
from pushline.runtime import operator_file
from pushline.runtime.operator_file import Limits
from pushline.trainer.sandbox import box
from pushline.trainer.sandbox.box import Ended, Job, Sandbox, SandboxUnavailable
from pushline.trainer.sandbox.bubblewrap import Bubblewrap
from pushline.trainer.sandbox.unboxed import Unboxed

MiB = 1024 * 1024
LIMITS = Limits(timeout_seconds=20.0, memory_bytes=512 * MiB, processes=64, disk_bytes=64 * MiB, output_bytes=8 * MiB)
STUB = """
import json, os, sys
OUT = sys.argv[sys.argv.index("--out") + 1]
PROGRESS = int(sys.argv[sys.argv.index("--progress-fd") + 1])
"""


@dataclass
class Bench:
    sandbox: Sandbox
    folder: Path
    log: list[bytes] = field(default_factory=list)
    progress: list[Mapping[str, Any]] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def run(self, code: str, limits: Limits = LIMITS) -> Ended:
        for name in ("source", "launcher", "results"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "launcher/launch.py").write_text(STUB + textwrap.dedent(code))
        (self.folder / "source/train.py").write_text("print('a script')\n")
        job = Job(
            self.folder / "source",
            self.folder / "launcher",
            ("--script", "train.py"),
            limits,
            self.folder / "results",
            self.log.append,
            self.progress.append,
        )
        return self.sandbox.run(job, self.cancelled)


@pytest.fixture
def boxed(tmp_path: Path) -> Bench:
    return Bench(Bubblewrap(Path(sys.executable), tmp_path / "work"), tmp_path)


@pytest.fixture(params=[Bubblewrap, Unboxed])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(request.param(Path(sys.executable), tmp_path / "work"), tmp_path)


def is_running(marker: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def gone_within(marker: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(marker):
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.02)
    return True


def test_what_a_launcher_leaves_comes_out(bench: Bench) -> None:
    ended = bench.run("""
        open(OUT + "/result.json", "w").write("{}")
        open("model.h5", "wb").write(b"weights")
        os.rename("model.h5", OUT + "/model.h5")
        os.write(PROGRESS, json.dumps({"event": "epoch", "epoch": 1}).encode() + b"\\nno json\\n")
        print("to stdout"); print("to stderr", file=sys.stderr)
        print(os.getcwd(), sorted(os.listdir(".")))
    """)

    assert (ended.stopped, ended.exit_code) == ("", 0)
    assert {name: file.path.read_bytes() for name, file in ended.files.items()} == {"model.h5": b"weights", "result.json": b"{}"}
    assert bench.progress == [{"event": "epoch", "epoch": 1}]
    assert b"to stdout" in b"".join(bench.log)
    assert "['train.py']" in ended.tail


def test_the_checkout_is_never_changed(bench: Bench) -> None:
    bench.run("open('train.py', 'a').write('more'); open('new.txt', 'w').close()")

    assert (bench.folder / "source/train.py").read_text() == "print('a script')\n"
    assert not (bench.folder / "source/new.txt").exists()


def test_an_exit_code_is_told(bench: Bench) -> None:
    ended = bench.run("print('last words'); sys.exit(3)")

    assert (ended.exit_code, ended.tail) == (3, "last words")


def test_a_hanging_script_is_gone_two_seconds_after_its_deadline(bench: Bench) -> None:
    marker = uuid.uuid4().hex
    ended = bench.run(
        f"""
        import signal, subprocess
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "{marker}"], start_new_session=True)
        while True:
            pass
        """,
        replace(LIMITS, timeout_seconds=1.5),
    )

    assert ended.stopped == "timeout"
    assert ended.seconds < 3.5
    assert gone_within(marker, 0.5)


def test_a_daemon_does_not_outlive_its_script(bench: Bench) -> None:
    marker = uuid.uuid4().hex
    ended = bench.run(f"""
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "{marker}"])
            os._exit(0)
        os.wait()
        print("started")
    """)

    assert (ended.stopped, ended.exit_code, ended.tail) == ("", 0, "started")
    assert gone_within(marker, 0.5)


def test_cancelling_ends_it_at_once(bench: Bench) -> None:
    marker = uuid.uuid4().hex
    timer = threading.Timer(1.0, bench.cancelled.set)
    timer.start()

    ended = bench.run(f"import subprocess; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)', '{marker}'])")

    timer.join()
    assert (ended.stopped, ended.files) == ("cancelled", {})
    assert ended.seconds < 3
    assert gone_within(marker, 0.5)


def test_one_process_cannot_take_more_memory_than_allowed(bench: Bench) -> None:
    ended = bench.run("x = bytearray(2 << 30)", replace(LIMITS, memory_bytes=256 * MiB))

    assert ended.exit_code == 1
    assert "MemoryError" in ended.tail


def test_many_processes_together_cannot_either(bench: Bench) -> None:
    ended = bench.run(
        """
        import time
        for _ in range(8):
            if os.fork() == 0:
                x = bytearray(os.urandom(1 << 20)) * 100
                time.sleep(600)
        time.sleep(600)
        """,
        replace(LIMITS, memory_bytes=256 * MiB),
    )

    assert ended.stopped == "memory"
    assert ended.seconds < 10


def test_a_fork_bomb_is_bounded(bench: Bench) -> None:
    marker = uuid.uuid4().hex
    ended = bench.run(f"""
        sys.argv.append("{marker}")
        while True:
            try:
                os.fork()
            except OSError:
                pass
    """)

    assert ended.stopped == "processes"
    assert ended.seconds < 10
    assert gone_within(marker, 1)


def test_a_full_disk_is_told(boxed: Bench) -> None:
    ended = boxed.run("""
        with open("junk", "wb") as file:
            while True:
                file.write(bytes(1 << 20))
    """)

    assert ended.disk_full
    assert ended.exit_code == 1
    assert "No space left" in ended.tail or "File too large" in ended.tail


def test_a_file_larger_than_the_disk_limit_cannot_be_written(bench: Bench) -> None:
    ended = bench.run("""
        with open("junk", "wb") as file:
            file.truncate(1 << 40)
    """)

    assert ended.exit_code == 1


def test_a_flood_of_output_is_cut_and_its_end_is_kept(bench: Bench) -> None:
    ended = bench.run("""
        for _ in range(300):
            sys.stdout.write("x" * 99_999 + "\\n")
        print("the end")
    """)

    assert len(b"".join(bench.log)) < 9 * MiB
    assert b"".join(bench.log).rstrip().endswith(b"the limit of 8 MiB is reached]")
    assert ended.tail.endswith("the end")


def test_a_flood_of_progress_is_thinned(bench: Bench) -> None:
    bench.run("""
        with os.fdopen(PROGRESS, "w") as pipe:
            pipe.write("y" * (1 << 22) + "\\n")
            for n in range(100_000):
                pipe.write(json.dumps({"n": n}) + "\\n")
    """)

    assert 0 < len(bench.progress) < 5000


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("os.symlink('/etc/passwd', OUT + '/model.h5')", "is a symbolic link"),
        ("os.mkfifo(OUT + '/model.h5')", "is no regular file"),
        ("os.mkdir(OUT + '/model.h5')", "is no regular file"),
        ("open('x', 'w').close(); os.link('x', OUT + '/model.h5')", "has a second name"),
        ("open(OUT + '/model.h5', 'wb').truncate(9 << 20)", "the limit is 8388608"),
    ],
)
def test_an_output_that_is_no_plain_bounded_file_stays_inside(bench: Bench, code: str, why: str) -> None:
    ended = bench.run(code)

    assert ended.files == {}
    assert why in ended.refused["model.h5"]


def test_names_and_numbers_of_outputs_are_bounded(bench: Bench) -> None:
    ended = bench.run("""
        for n in range(60):
            open(f"{OUT}/{n}", "w").close()
        open(OUT + "/\\x1b[31m", "w").close()
    """)

    assert len(ended.files) == 32
    assert all("\x1b" not in name for name in ended.refused)


def test_a_script_that_kills_its_supervisor_ends_with_nothing(boxed: Bench) -> None:
    ended = boxed.run("import signal; os.kill(os.getppid(), signal.SIGKILL); import time; time.sleep(600)")

    assert (ended.stopped, ended.exit_code, ended.files) == ("", None, {})
    assert ended.seconds < 5


SYSTEM_PYTHON = "/usr/bin/python3"
SOURCES = [str(Path(str(each.__file__)).parents[level]) for each, level in ((box, 3), (operator_file, 2), (manifest, 2))]
AS_ANOTHER_USER = """
import sys, threading
from pathlib import Path
sys.path += sys.argv[2:]
from pushline.runtime.operator_file import Limits
from pushline.trainer.sandbox.box import Job
from pushline.trainer.sandbox.bubblewrap import Bubblewrap
base = Path(sys.argv[1])
limits = Limits(9.0, 1 << 29, 40, 1 << 25, 1 << 20)
job = Job(base / "source", base / "launcher", (), limits, base / "results", print, print)
print(Bubblewrap(Path("/usr/bin/python3"), base / "work").run(job, threading.Event()))
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
    ended = boxed.run("print(sorted(os.environ)); print(open('/proc/1/environ').read() == '')")

    names, first_process = ended.tail.splitlines()
    expected = "CUDA_VISIBLE_DEVICES HDF5_PLUGIN_PATH HOME LANG LOGNAME PATH PYTHONHASHSEED TF_CPP_MIN_LOG_LEVEL TMPDIR USER"
    assert set(expected.split()) <= set(ast.literal_eval(names)) <= {*expected.split(), "LC_CTYPE", "PWD"}
    assert first_process == "True"


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


def test_it_works_for_a_user_without_rights_and_home() -> None:
    """As uid 1000, where this test runs as root; everything above ran as whoever it is."""
    if os.getuid() != 0:
        return
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        for name in ("", "source", "launcher", "results", "work"):
            (base / name).mkdir(exist_ok=True)
            (base / name).chmod(0o777)
        (base / "launcher/launch.py").write_text(STUB + "open(OUT + '/result.json', 'w').close()\n")
        (base / "run.py").write_text(AS_ANOTHER_USER)
        as_user = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "--inh-caps=-all"]

        command = [*as_user, SYSTEM_PYTHON, str(base / "run.py"), folder, *SOURCES]
        done = subprocess.run(command, env={}, cwd="/", capture_output=True, check=False, text=True)

    assert "exit_code=0" in done.stdout, done.stdout + done.stderr


@contextlib.contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
