"""What a job may have besides its source: data and packages to read, and another command than the launcher."""

import sys
from pathlib import Path

import pytest

from pushline.trainer.sandbox.box import Shown
from tests.fixtures.trainer_sandbox.scripts import WAYS, Bench


@pytest.fixture(params=WAYS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(request.param(Path(sys.executable), tmp_path / "work"), tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "some data").mkdir()
    (tmp_path / "some data/numbers.csv").write_text("1,2")
    return tmp_path / "some data"


def test_data_is_seen_beside_the_script_and_in_the_home_folder(bench: Bench, data: Path) -> None:
    (bench.folder / "source/data").mkdir(parents=True)
    (bench.folder / "source/data/old.csv").touch()

    ended = bench.run(
        """
        print(os.listdir("data"), open("data/numbers.csv").read(), os.listdir(os.path.expanduser("~/.keras/datasets")))
        open(os.path.expanduser("~/.keras/keras.json"), "w").close()
        """,
        shown=(Shown(data, "data"), Shown(data, "~/.keras/datasets")),
    )

    assert ended.tail == "['numbers.csv'] 1,2 ['numbers.csv']"


def test_packages_of_the_job_are_found_by_the_launcher_and_what_it_starts(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/wanted.py").write_text("SAID = 'found'")

    ended = bench.run(
        """
        import subprocess, wanted
        print(wanted.SAID, subprocess.check_output([sys.executable, "-c", "import wanted; print(wanted.SAID)"], text=True))
        """,
        python_path=(tmp_path / "packages",),
    )

    assert ended.tail == "found found"


def test_another_command_runs_in_the_copy_and_its_files_come_out(bench: Bench) -> None:
    code = "import os, sys; open(sys.argv[1] + '/report.xml', 'w').write(os.environ['COLOUR']); print(os.listdir('.'))"
    ended = bench.run("", command=("{python}", "-c", code, "{out}"), environment={"COLOUR": "blue"})

    assert (ended.exit_code, ended.tail) == (0, "['train.py']")
    assert ended.files["report.xml"].path.read_text() == "blue"


@pytest.mark.parametrize("place", ["", "/data", "../data", "~", "data/../..", "~/", "a//b"])
def test_a_place_outside_the_copy_and_the_home_folder_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="no place inside a sandbox"):
        Shown(Path("/nowhere"), place)
