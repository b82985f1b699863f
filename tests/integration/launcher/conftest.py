"""The launcher as the sandbox starts it: a plain process of the training interpreter, once per script and session."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
LAUNCH = ROOT / "services" / "trainer" / "pushline" / "trainer" / "launcher" / "launch.py"
SCRIPTS = ROOT / "tests" / "fixtures" / "scripts"
EXAMPLES = ROOT / "examples"
PYTHON = Path(sys.prefix) / "training" / "bin" / "python"


@dataclass(frozen=True)
class Launched:
    status: int
    stdout: str
    stderr: str
    folder: Path
    out: Path
    result: dict[str, Any]
    progress: list[dict[str, Any]]


Launch = Callable[..., Launched]


def started(folder: Path, script: Path, words: tuple[str, ...]) -> Launched:
    out, progress = folder / "out", folder / "progress"
    out.mkdir()
    work = folder / "work"
    shutil.copytree(script.parent, work) if script.parent.parent == EXAMPLES else work.mkdir()
    shutil.copy(script, work / "train.py")
    with progress.open("wb") as written:
        command = [
            str(PYTHON),
            "-I",
            str(LAUNCH),
            "--script",
            "train.py",
            "--out",
            str(out),
            "--progress-fd",
            str(written.fileno()),
        ]
        ended = subprocess.run(
            [*command, *words],
            cwd=work,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder)},
            pass_fds=[written.fileno()],
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )
    result = json.loads((out / "result.json").read_text())
    said = [json.loads(line) for line in progress.read_text().splitlines()]
    return Launched(ended.returncode, ended.stdout, ended.stderr, work, out, result, said)


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """Run `examples/NAME/train.py`, or the script of that name among the fixtures; a second time gives the first one's result."""
    known: dict[tuple[str, ...], Launched] = {}

    def run(name: str, *words: str) -> Launched:
        if (name, *words) not in known:
            example = EXAMPLES / name / "train.py"
            script = example if example.exists() else SCRIPTS / f"{name}.py"
            known[name, *words] = started(tmp_path_factory.mktemp(name), script, words)
        return known[name, *words]

    return run
