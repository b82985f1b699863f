"""What a person can get wrong at the command: one sentence, one exit code, nothing done."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from pushline.cli.exits import Exit
from pushline.cli.main import run
from pushline.cli.terminal import Terminal

BAD = {
    "a command that is not there": (["deploy"], Exit.USAGE, ""),
    "an option that is not there": (["runs", "--colour"], Exit.USAGE, ""),
    "an option that is missing": (["rollback", "--reason", "x"], Exit.USAGE, ""),
    "a topic that is not there": (["audit", "tail", "--topic", "other"], Exit.USAGE, "No topic 'other'; there are commit"),
    "no operator's file": (["up", "none.toml"], Exit.BAD_FILE, "none.toml does not exist. Write one: pushline up --write-config"),
    "a wrong operator's file": (["up", "wrong.toml"], Exit.BAD_FILE, "wrong.toml: modles: unknown key; known are models, up"),
    "a config without a model": (["up", "--write-config", "a.toml"], Exit.USAGE, "--write-config needs --repository and --model"),
    "a model's name that is none": (["init", "repository", "--model", "A B"], Exit.USAGE, "'A B' is no model name"),
    "a file to predict that is not there": (["predict", "none.json"], Exit.BAD_FILE, "none.json cannot be read: No such file"),
    "rows that are no numbers": (
        ["predict", "words.json"],
        Exit.BAD_FILE,
        "words.json: x: neither numbers nor texts in rows",
    ),
    "a hint without a commit": (["emit", "--model", "a"], Exit.USAGE, "Name the commit by --sha"),
    "a hint without a secret": (
        ["emit", "--model", "a", "--sha", "a", "--url", "http://h"],
        Exit.USAGE,
        "--url needs --secret-file",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "wrong.toml").write_text("[[modles]]\n")
    (tmp_path / "words.json").write_text('["a", 1]')
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", BAD)
def test_what_a_person_gets_wrong_is_one_sentence_and_a_code(case: str, folder: Path) -> None:
    words, code, said = BAD[case]
    before = sorted(folder.rglob("*"))
    terminal = Terminal(Console(file=io.StringIO(), width=200), Console(file=io.StringIO(), width=200), {})

    assert run(words, terminal) == code
    assert isinstance(terminal.err.file, io.StringIO)
    assert said in terminal.err.file.getvalue()
    assert sorted(folder.rglob("*")) == before
