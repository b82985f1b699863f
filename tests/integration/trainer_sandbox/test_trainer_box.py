"""Every way to run repository code: what comes out, and how it is stopped."""

import subprocess
import sys
import threading
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures.trainer_sandbox.scripts import LIMITS, RUNGS, WAYS, Bench, MiB, gone_within, is_running


@pytest.fixture(params=RUNGS)
def boxed(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(request.param(Path(sys.executable), tmp_path / "work"), tmp_path)


@pytest.fixture(params=WAYS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(request.param(Path(sys.executable), tmp_path / "work"), tmp_path)


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


@pytest.mark.parametrize("kind", ["bubblewrap.Bubblewrap", "unshare.Unshare", "unboxed.Unboxed"])
def test_a_script_dies_with_a_trainer_that_is_killed(kind: str, tmp_path: Path) -> None:
    marker = uuid.uuid4().hex
    module, name = kind.split(".")
    for folder in ("source", "launcher", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "launcher/launch.py").write_text(f"import time; print('begun', flush=True); time.sleep(600)  # {marker}")
    code = f"""if True:
        import sys, threading; from pathlib import Path; from pushline.runtime.operator_file import Limits
        from pushline.trainer.sandbox.box import Job; from pushline.trainer.sandbox.{module} import {name}
        base = Path(sys.argv[1])
        job = Job(base / "source", base / "launcher", ("{marker}",), Limits(60, 1 << 29, 40, 1 << 25, 1 << 20), base / "results",
            lambda data: print(data, flush=True), print)
        {name}(Path(sys.executable), base / "work").run(job, threading.Event())
    """
    trainer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert trainer.stdout is not None
    assert b"begun" in trainer.stdout.readline()
    assert is_running(marker)

    trainer.kill()
    trainer.wait()
    trainer.stdout.close()

    assert gone_within(marker, 5)


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


def test_a_script_cannot_end_its_supervisor_and_gains_nothing_by_trying(boxed: Bench) -> None:
    ended = boxed.run("import signal; os.kill(os.getppid(), signal.SIGKILL); sys.exit(1)")

    assert (ended.stopped, ended.files) == ("", {})
    assert ended.exit_code != 0
    assert ended.seconds < 5
