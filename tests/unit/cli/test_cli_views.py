import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pushline.cli import acts
from pushline.cli.acts import Person
from pushline.cli.exits import MEANINGS, Exit, Said
from pushline.cli.logs import LogText, find_run
from pushline.cli.main import COMMANDS, run
from pushline.cli.runs import view_runs
from pushline.cli.sentences import sentence_of
from pushline.cli.status import view_models
from pushline.cli.terminal import Terminal
from pushline.cli.training import newest_training, peek
from pushline.objects import keys
from tests.unit.cli.story import MODEL, a_story, digest_of, sha_of


def a_terminal(**environ: str) -> Terminal:
    return Terminal(Console(file=io.StringIO(), width=120), Console(file=io.StringIO(), width=120), environ)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_status_tells_what_is_live_and_what_is_on_its_way() -> None:
    with a_story("one") as story:
        story.serve("predictor-1")
        story.push("two")

        with story.tail.read() as ledger:
            (view,) = view_models(ledger)

    assert (view.live_digest, view.commit, view.deploy_seq, view.kind) == (digest_of("one"), sha_of("one"), 1, "promote")
    assert [(replica.replica, replica.state) for replica in view.replicas] == [("predictor-1", "serving")]
    assert [(run.commit, run.stage) for run in view.open_runs] == [(sha_of("two"), "training")]


def test_runs_are_newest_first_and_say_which_one_is_live() -> None:
    with a_story("one", "two") as story, story.tail.read() as ledger:
        views = view_runs(ledger, MODEL)

    assert [(view.commit, view.stage, view.live, view.message) for view in views] == [
        (sha_of("two"), "deployed", True, "two"),
        (sha_of("one"), "deployed", False, "one"),
    ]


def test_runs_of_an_unknown_model_name_the_known_ones() -> None:
    with a_story("one") as story, story.tail.read() as ledger, pytest.raises(Said, match="there is digits"):
        view_runs(ledger, "letters")


@pytest.mark.parametrize(("prefix", "code"), [("abc", Exit.USAGE), ("ffffffff", Exit.NOT_FOUND)])
def test_a_run_that_cannot_be_told_is_a_sentence(prefix: str, code: Exit) -> None:
    with a_story("one") as story, story.tail.read() as ledger, pytest.raises(Said) as caught:
        find_run(ledger, prefix)

    assert caught.value.code == code


def test_a_run_is_found_by_a_prefix_of_its_id_or_commit() -> None:
    with a_story("one", "two") as story, story.tail.read() as ledger:
        run = find_run(ledger, sha_of("two")[:8])

        assert find_run(ledger, run.run_id[:8]) is run


def test_the_newest_try_is_the_one_with_the_highest_number() -> None:
    with a_story("one") as story:
        rid = story.run("one").run_id
        for name, epoch in (("2-zz", 2), ("10-aa", 10)):
            story.store.put_bytes(
                keys.try_file(MODEL, rid, name, "progress.json"), json.dumps({"epoch": epoch, "epochs": 12}).encode()
            )

        training, progress = newest_training(story.store, MODEL, rid), peek(story.store, MODEL, rid)

    assert training is not None
    assert training.name == "10-aa"
    assert training.log() == ""
    assert progress is not None
    assert (progress.epoch, progress.epochs) == (10, 12)


def test_a_run_without_a_try_has_no_progress() -> None:
    with a_story("one") as story:
        assert peek(story.store, MODEL, "no-run") is None


def test_a_growing_log_is_printed_once() -> None:
    terminal = a_terminal()
    shown = LogText(terminal)

    for text in ("", "one\ntw", "one\ntwo\n", "one\ntwo\n[three]\n"):
        shown.show(text)

    assert text_of(terminal.out) == "one\ntwo\n[three]\n"


def test_every_event_has_a_sentence() -> None:
    with a_story("one", "two") as story:
        story.serve("predictor-1")
        story.publish(acts.rollback(story.line(), "previous", Person("ada", "worse")))
        run, line = story.run("two"), story.line()
        assert run.trained is not None
        assert run.slot is not None
        assert line.newest_deployed is not None
        events: list[Any] = [run.push, run.trained, *run.evaluated.values(), run.slot, line.newest_deployed, *line.served.values()]

        sentences = [sentence_of(entry.event) for entry in events]

    assert all(sentence.startswith(f"{MODEL} ") for sentence in sentences)
    assert any("rollback" in sentence and "by ada: worse" in sentence for sentence in sentences)


@pytest.mark.parametrize("command", [name for names in COMMANDS.values() for name in names])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"], a_terminal()) == Exit.OK

    assert "Usage: pushline" in capsys.readouterr().out


def test_every_exit_code_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"], a_terminal()) == Exit.OK

    told = " ".join(capsys.readouterr().out.split())
    assert all(f"{int(code)} {meaning}"[:60] in told for code, meaning in MEANINGS.items())
    assert set(MEANINGS) == set(Exit)


@pytest.mark.parametrize("command", ["status", "runs", "logs abcdef", "audit tail", "rollback -m digits -r x", "doctor", "predict"])
def test_without_a_line_there_is_one_sentence_and_a_code(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"[[1]]")))
    terminal = a_terminal()

    code = run([*command.split(), "--line", "nowhere.json"], terminal)

    assert code == Exit.UNREACHABLE
    assert "No line runs here" in text_of(terminal.err)


def test_with_json_an_error_is_json_too() -> None:
    terminal = a_terminal()

    code = run(["status", "--json", "--line", "nowhere.json"], terminal)

    assert json.loads(text_of(terminal.err)) == {"error": json.loads(text_of(terminal.err))["error"], "exit_code": code}


def test_a_line_whose_process_is_gone_has_ended(tmp_path: Path) -> None:
    terminal = a_terminal()
    path = tmp_path / "line.json"
    store = {"endpoint": "http://x", "bucket": "b", "access_key": "a", "secret_key": "s", "region": "r"}
    path.write_text(
        json.dumps(
            {"schema": 1, "pid": 2**22 + 1, "kafka": "x:1", "kafka_options": {}, "topic_prefix": "", "store": store, "host": "h",
             "ports": {}, "models": {}, "folder": "", "emit_secret": ""}
        )
    )  # fmt: skip

    assert run(["status", "--line", str(path)], terminal) == Exit.UNREACHABLE
    assert "has ended" in text_of(terminal.err)


def test_wrong_settings_are_told_all_at_once() -> None:
    terminal = a_terminal(PUSHLINE_KAFKA="x:1", PUSHLINE_S3_ENDPOINT="nonsense")

    assert run(["status"], terminal) == Exit.BAD_FILE
    assert "PUSHLINE_S3_ACCESS_KEY" in text_of(terminal.err)
    assert "PUSHLINE_S3_ENDPOINT" in text_of(terminal.err)


def test_init_writes_what_belongs_into_a_clone_and_never_twice(tmp_path: Path) -> None:

    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    terminal = a_terminal()

    assert run(["init", str(tmp_path), "--model", "digits", "--json"], terminal) == Exit.OK
    assert run(["init", str(tmp_path), "--model", "digits"], terminal) == Exit.BAD_FILE
    assert run(["init", str(tmp_path), "--model", "digits", "--force"], terminal) == Exit.OK

    assert 'name = "digits"' in (tmp_path / "pushline.toml").read_text()
    assert (tmp_path / ".pushline" / "post-receive").stat().st_mode & 0o111
    assert (tmp_path / ".pushline" / "pre-push").stat().st_mode & 0o111


def test_init_puts_the_hook_into_a_bare_repository(tmp_path: Path) -> None:

    bare = tmp_path / "digits.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True)

    assert run(["init", str(bare), "--line", "state/line.json"], a_terminal()) == Exit.OK

    hook = (bare / "hooks" / "post-receive").read_text()
    assert f"export PUSHLINE_LINE={Path.cwd() / 'state' / 'line.json'}" in hook
    assert f"{sys.executable} -m pushline.cli emit --model digits --stdin" in hook


def test_init_outside_of_git_is_a_sentence(tmp_path: Path) -> None:
    terminal = a_terminal()

    assert run(["init", str(tmp_path), "--model", "digits"], terminal) == Exit.BAD_FILE
    assert "is no git repository" in text_of(terminal.err)
