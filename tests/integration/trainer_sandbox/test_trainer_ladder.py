"""Which way to run code is taken, and that none is taken where none is safe."""

import sys
import threading
from pathlib import Path

import pytest

from pushline.runtime import operator_file
from pushline.trainer.sandbox import box
from pushline.trainer.sandbox.box import SandboxUnavailable
from pushline.trainer.sandbox.bubblewrap import Bubblewrap
from pushline.trainer.sandbox.ladder import Ladder
from pushline.trainer.sandbox.unshare import Unshare
from tests.fixtures.trainer_sandbox.scripts import Bench

NO_BUBBLEWRAP = "install the package bubblewrap"


@pytest.fixture
def without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_arguments, **_named: None)


def ladder(work: Path, python: Path = Path(sys.executable)) -> Ladder:
    return Ladder((Bubblewrap(python, work), Unshare(python, work)))


def test_bubblewrap_comes_first(tmp_path: Path) -> None:
    bench = Bench(ladder(tmp_path / "work"), tmp_path)

    assert bench.run("print('here')").tail == "here"
    assert bench.sandbox.name == "bubblewrap"


@pytest.mark.usefixtures("without_bubblewrap")
def test_without_bubblewrap_unshare_is_taken_and_says_so(tmp_path: Path) -> None:
    bench = Bench(ladder(tmp_path / "work"), tmp_path)

    assert bench.run("print('here')").tail == "here"
    assert bench.sandbox.name == "unshare"


def test_where_namespaces_are_forbidden_nothing_runs_and_the_sentence_says_what_to_do(tmp_path: Path) -> None:
    """As in a default Docker container: a filter refuses user namespaces. Here it is the sandbox's own, around another trainer."""
    outer = Bench(Bubblewrap(Path(sys.executable), tmp_path / "work"), tmp_path)
    sources = tuple(Path(str(each.__file__)).parents[level] for each, level in ((box, 3), (operator_file, 2)))

    ended = outer.run(
        """
        from pathlib import Path
        from pushline.trainer.sandbox.box import SandboxUnavailable
        from pushline.trainer.sandbox.bubblewrap import Bubblewrap
        from pushline.trainer.sandbox.ladder import Ladder
        from pushline.trainer.sandbox.unshare import Unshare
        rungs = [each(Path(sys.executable), Path("/tmp/inner")) for each in (Bubblewrap, Unshare)]
        try:
            Ladder(rungs).check()
        except SandboxUnavailable as error:
            print(error)
        """,
        python_path=sources,
    )

    assert "bubblewrap cannot make a sandbox: " in ended.tail
    assert "unshare cannot make a sandbox: making namespaces: Operation not permitted" in ended.tail
    assert ended.tail.count("This machine forbids unprivileged user namespaces, as a default Docker container does") == 1


@pytest.mark.usefixtures("without_bubblewrap")
def test_without_any_rung_a_job_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    bench = Bench(ladder(tmp_path / "work", Path("/nowhere/python")), tmp_path)
    before = threading.active_count()

    with pytest.raises(SandboxUnavailable, match="/nowhere/python does not run"):
        bench.run(f"open({str(tmp_path / 'ran')!r}, 'w')")

    assert not (tmp_path / "ran").exists()
    assert threading.active_count() <= before
