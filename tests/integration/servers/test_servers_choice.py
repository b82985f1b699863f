"""The servers of the tests that cannot be had: the run fails with one sentence, however it was started."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ENVIRON

ROOT = Path(__file__).resolve().parents[3]
NEEDS_BROKER = "tests/integration/servers/test_servers_topics.py::test_topics_are_made_once_and_are_right"
NEEDS_STORE = "tests/integration/cli/test_cli_topics_and_store.py::test_a_bucket_is_created_once_and_put_to_the_test"
STARTS = {
    "a test of the broker": ["-m", "pytest", "-q", "-p", "no:cacheprovider", NEEDS_BROKER],
    "a test of the store": ["-m", "pytest", "-q", "-p", "no:cacheprovider", NEEDS_STORE],
    "all rings": ["tools/with_servers.py", "true"],
}
CANNOT_BE_HAD = {
    "containers": "PUSHLINE_TEST_SERVERS=containers needs Docker, and it does not answer: ",
    "imagined": 'PUSHLINE_TEST_SERVERS: "imagined" is none of real, embedded, containers',
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("kind", CANNOT_BE_HAD)
def test_servers_that_cannot_be_had_fail_the_run_with_one_sentence(start: str, kind: str) -> None:
    without = {name: value for name, value in ENVIRON.items() if not name.startswith("PUSHLINE_TEST_")}
    environ = {**without, "PUSHLINE_TEST_SERVERS": kind, "DOCKER_HOST": "unix:///nonexistent/docker.sock"}

    done = subprocess.run([sys.executable, *STARTS[start]], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    told = done.stdout + done.stderr
    assert done.returncode == 1
    assert told.count(f"a server that does not start fails the run: {CANNOT_BE_HAD[kind]}") == 1, told
    assert "Traceback" not in told
    assert "Error)" not in told or "FileNotFoundError" in told
    assert len(told.strip().splitlines()) <= 3, told
