"""Triton's stock HTTP client, in an environment of its own, against a live predictor: JSON and binary, both ways."""

import json
import subprocess
from pathlib import Path

from tests.fixtures.predictor.deploying import DOUBLE
from tests.fixtures.predictor.running import a_line, running, wait_until_sure

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "fixtures" / "predictor" / "stock_http_client.py"


def test_a_stock_http_client_gets_right_answers_that_name_commit_and_digest(tmp_path: Path) -> None:
    subprocess.run([ROOT / "tools" / "interop-env"], check=True, timeout=110)
    line, log, store = a_line()
    event = line.deploy(DOUBLE)
    with running(tmp_path, log, store) as service:
        wait_until_sure(service, 1)
        python = ROOT / ".venv" / "interop" / "bin" / "python"
        command: list[str | Path] = [python, "-I", SCRIPT, f"127.0.0.1:{service.rest.port}", "numbers"]
        done = subprocess.run(command, check=True, capture_output=True, timeout=60, text=True)

    seen = json.loads(done.stdout)
    assert (seen["live"], seen["ready"], seen["model_ready"], seen["other_ready"]) == (True, True, True, False)
    assert seen["server"] == "pushline-predictor"
    assert len(seen["answers"]) == 4
    for answer in seen["answers"]:
        assert answer["y"] == [[2, 4, 6], [10, 12, 14]]
        assert (answer["id"], answer["version"], answer["deploy_seq"]) == ("one", "1", 1)
        assert (answer["commit"], answer["digest"]) == (event.commit.sha, event.digest)
    assert seen["refusal"][0] == "400"
    assert "inputs.x.datatype" in seen["refusal"][1]
