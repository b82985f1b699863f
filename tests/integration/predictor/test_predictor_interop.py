"""A stock client of the Open Inference Protocol, in an environment of its own, against a live predictor."""

import json
import subprocess
from pathlib import Path

from tests.fixtures.predictor.deploying import DOUBLE
from tests.fixtures.predictor.running import a_line, running, wait_until_sure

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "fixtures" / "predictor" / "stock_client.py"


def test_a_stock_client_gets_right_answers_that_name_commit_and_digest(tmp_path: Path) -> None:
    subprocess.run([ROOT / "tools" / "interop-env"], check=True, timeout=110)
    line, log, store = a_line()
    event = line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)
        command: list[str | Path] = [
            ROOT / ".venv" / "interop" / "bin" / "python",
            "-I",
            SCRIPT,
            f"127.0.0.1:{service.door.port}",
            "numbers",
        ]
        done = subprocess.run(command, check=True, capture_output=True, timeout=60, text=True)

    seen = json.loads(done.stdout)
    assert (seen["live"], seen["ready"], seen["model_ready"], seen["server"]) == (True, True, True, "pushline-predictor")
    assert seen["raw"]["y"] == [[2, 4, 6], [10, 12, 14]]
    assert seen["typed"]["y"] == [2, 4, 6, 10, 12, 14]
    assert (seen["raw"]["id"], seen["typed"]["id"], seen["raw"]["version"]) == ("one", "two", "1")
    assert seen["raw"]["inputs"] == [["x", "FP32", [-1, 4]]]
    for answer in (seen["raw"], seen["typed"]):
        assert (answer["commit"], answer["digest"]) == (event.commit.sha, event.digest)
    assert seen["refusal"][0] == "StatusCode.INVALID_ARGUMENT"
    assert "inputs.x.datatype" in seen["refusal"][1]
