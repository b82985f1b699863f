"""`pushline demo` as `make demo` runs it: its own figures, and nothing left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pushline.cli.exits import Exit

PUSHLINE = (sys.executable, "-m", "pushline.cli")


@pytest.mark.timeout(240)
def test_the_demo_swaps_a_model_under_load_and_no_prediction_fails(tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path)}  # noqa: TID251 - a child needs PATH

    done = subprocess.run([*PUSHLINE, "demo", "--json"], env=environ, capture_output=True, text=True, timeout=200, check=False)

    assert done.returncode == Exit.OK, done.stderr
    told = json.loads(done.stdout)
    assert told["failed"] == 0
    assert told["sent"] >= 500
    assert min(told["before"], told["after"]) >= 200
    assert len(told["per_digest"]) == 2
    assert told["per_second"] >= 50
    assert list(tmp_path.iterdir()) == []


def test_the_demo_says_first_what_the_machine_lacks(tmp_path: Path) -> None:
    environ = {**os.environ, "PUSHLINE_TRAINING_PYTHON": str(tmp_path / "nowhere")}  # noqa: TID251 - a child needs PATH

    done = subprocess.run([*PUSHLINE, "demo", "--json"], env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == Exit.FAILED
    assert "lacks training" in json.loads(done.stderr)["error"]
