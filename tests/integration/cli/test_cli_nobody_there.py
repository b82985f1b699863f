"""Commands that ask somebody who is not there."""

import io
from pathlib import Path

from rich.console import Console

from pushline.cli.exits import Exit
from pushline.cli.main import run
from pushline.cli.terminal import Terminal


def told(*words: str) -> tuple[int, str]:
    terminal = Terminal(Console(file=io.StringIO(), width=200), Console(file=io.StringIO(), width=200), {})
    code = run(words, terminal)
    assert isinstance(terminal.err.file, io.StringIO)
    return code, terminal.err.file.getvalue()


def test_a_hint_to_a_trainer_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret that is long enough")

    code, said = told("emit", "--model", "a", "--sha", "a" * 40, "--url", "http://127.0.0.1:1", "--secret-file", str(secret))

    assert (code, said) == (Exit.UNREACHABLE, "pushline: No trainer answers at http://127.0.0.1:1/webhooks/pushline.\n")


def test_a_prediction_from_a_predictor_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text("[[1, 2]]")

    code, said = told("predict", str(rows), "--address", "127.0.0.1:1")

    assert code == Exit.UNREACHABLE
    assert said.startswith("pushline: The predictor at 127.0.0.1:1 says UNAVAILABLE: ")
