"""A path that is typed means what it says where it is typed, wherever the file that keeps it lies."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from pushline.cli.exits import Exit
from pushline.cli.main import run
from pushline.cli.terminal import Terminal
from pushline.runtime.operator_file import read_operator_file


@pytest.mark.parametrize(
    ("named", "meant"), [("iris.git", "{here}/iris.git"), ("https://h/a.git", "https://h/a.git"), ("git@h:a.git", "git@h:a.git")]
)
def test_a_repository_named_from_here_is_found_from_a_config_elsewhere(
    named: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    terminal = Terminal(Console(file=io.StringIO()), Console(file=io.StringIO()), {})

    assert run(["up", "--write-config", "line/line.toml", "--repository", named, "--model", "iris"], terminal) == Exit.OK

    (model,) = read_operator_file(tmp_path / "line" / "line.toml").models
    assert model.repository == meant.format(here=tmp_path)


def test_the_help_of_up_names_the_table_that_it_speaks_of(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(Console(file=io.StringIO()), Console(file=io.StringIO()), {})

    assert run(["up", "--help"], terminal) == Exit.OK
    assert "[up]" in capsys.readouterr().out
