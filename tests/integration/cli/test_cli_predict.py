"""`pushline predict` at a predictor with TLS and tokens: refusals are a sentence, and no token is anywhere to be seen."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from pushline.cli.exits import Exit
from pushline.cli.main import run
from pushline.cli.terminal import Terminal
from tests.fixtures.predictor.certificates import replaced
from tests.fixtures.predictor.secured import Secured, secured

TOKEN = "a-token-of-the-tests"


@pytest.fixture
def predictor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secured]:
    (tmp_path / "rows.json").write_text("[[1, 2, 3, 4], [4, 3, 2, 1]]")
    tokens = replaced(tmp_path / "tokens", f"a-person {TOKEN}\n".encode())
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.chdir(tmp_path)
    with secured(tmp_path, tokens_file=str(tokens)) as found:
        yield found


def told(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = run(["predict", "rows.json", *words], Terminal(Console(file=out, width=200), Console(file=err, width=200), {}))
    assert TOKEN not in out.getvalue() + err.getvalue()
    return code, out.getvalue(), err.getvalue()


def test_ca_and_token_open_it(predictor: Secured) -> None:
    code, said, _ = told("--address", predictor.address, "--ca", "ca.pem", "--token-file", "token", "--json")

    assert code == Exit.OK
    answer = json.loads(said)
    assert answer["y"] == [[2, 4, 6], [8, 6, 4]]
    assert answer["labels"] == ["2", "0"]


def test_the_environment_may_name_the_token(predictor: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHLINE_TOKEN_FILE", "token")

    code, said, _ = told("--address", predictor.address, "--ca", "ca.pem")

    assert code == Exit.OK
    assert "answered by numbers commit" in said


REFUSALS = [
    pytest.param(["--ca", "ca.pem"], Exit.REFUSED, "says UNAUTHENTICATED: a token is needed", id="no token"),
    pytest.param(["--token-file", "token"], Exit.UNREACHABLE, "says UNAVAILABLE: ", id="no TLS"),
    pytest.param(["--tls", "--token-file", "token"], Exit.UNREACHABLE, "CERTIFICATE_VERIFY_FAILED", id="an authority nobody knows"),
    pytest.param(["--ca", "ca.pem", "--token-file", "none"], Exit.BAD_FILE, "none cannot be read: ", id="no token's file"),
    pytest.param(["--ca", "none"], Exit.BAD_FILE, "none cannot be read: No such file", id="no CA's file"),
    pytest.param(["--ca", "ca.pem", "--key", "server.key"], Exit.BAD_FILE, "certificate_file and key_file go", id="a key alone"),
    pytest.param(["--ca", "ca.pem", "--token-file", "rows.json"], Exit.BAD_FILE, "the token is empty, or has", id="no token in it"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), REFUSALS)
def test_what_is_refused_is_one_sentence(predictor: Secured, words: list[str], code: Exit, sentence: str) -> None:
    ended, _, said = told("--address", predictor.address, *words)

    assert ended == code
    assert said.startswith("pushline: ")
    assert sentence in said
