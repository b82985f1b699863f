import sys
from pathlib import Path

from pushline.cli.machine_checks import REAL_SERVERS, check_engine, check_sandbox, check_servers


def test_real_servers_that_are_not_prepared_are_named(tmp_path: Path) -> None:
    environ = {"PUSHLINE_SERVERS_CACHE": str(tmp_path)}
    kafka, minio = REAL_SERVERS
    (tmp_path / REAL_SERVERS[kafka]).mkdir()

    finding = check_servers(environ)

    assert finding.state == "warning"
    assert finding.found.startswith(f"{minio} not prepared")
    (tmp_path / REAL_SERVERS[minio]).mkdir()
    assert check_servers(environ).state == "ok"


def test_without_an_interpreter_of_its_own_the_engine_is_litert_alone() -> None:
    assert check_engine({}).state == "ok"


def test_an_interpreter_without_tensorflow_is_missing_and_named() -> None:
    finding = check_engine({"PUSHLINE_TENSORFLOW_PYTHON": sys.executable})

    assert finding.state == "missing"
    assert sys.executable in finding.found


def test_a_sandbox_that_is_off_is_no_finding_to_overlook() -> None:
    assert check_sandbox({"PUSHLINE_SANDBOX": "off"}).state == "warning"
