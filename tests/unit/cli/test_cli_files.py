import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from pushline.cli.config_writer import FirstModel, write_config
from pushline.cli.embedded_line import read_config
from pushline.cli.exits import Exit, Said
from pushline.cli.hooks import HookSettings, post_receive, pre_push
from pushline.cli.line_file import LineFile, StoreAccess, WatchedModel, read_line_file, write_line_file
from pushline.cli.state_folder import LOCK, state_folder

LINE = LineFile(
    pid=os.getpid(),
    kafka="127.0.0.1:9092",
    kafka_options={"fetch.wait.max.ms": "10"},
    topic_prefix="",
    store=StoreAccess("http://127.0.0.1:9000", "pushline", "key", "very secret", "us-east-1"),
    host="127.0.0.1",
    ports={"trainer": {"webhook": 8080, "metrics": 9101}},
    models={"digits": WatchedModel("/srv/digits.git", "main")},
    folder="/srv/state",
    emit_secret="hush",
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_written_config_is_one_that_the_services_read(tmp_path: Path) -> None:
    path = tmp_path / "line.toml"

    secret = write_config(path, FirstModel("digits", "https://git.example.com/digits.git", "trunk"))

    (model,) = read_config(path).models
    assert (model.name, model.repository, model.branch) == ("digits", "https://git.example.com/digits.git", "trunk")
    assert model.webhook_secrets == (secret.read_bytes().strip(),)
    assert (mode(secret), mode(path)) == (0o600, 0o600)


def test_the_written_config_s_comments_are_valid_settings_too(tmp_path: Path) -> None:
    path = tmp_path / "line.toml"
    write_config(path, FirstModel("digits", "/srv/digits.git"))
    begins = ("# [", "# accuracy", "# timeout", "# kind", "# project", "# api", "# token_file")
    settings = [line.removeprefix("# ") for line in path.read_text().splitlines() if line.startswith(begins)]

    text = path.read_text()
    for line in settings:
        text = text.replace(f"# {line}\n", f"{line}\n")
    path.write_text(text)

    (model,) = read_config(path).models
    assert model.gates["accuracy"].min == 0.8
    assert model.limits.timeout_seconds == 3600
    assert model.forge is not None
    assert model.forge.project == "team/digits"


def test_a_config_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "line.toml"
    path.write_text("mine")

    with pytest.raises(Said, match="--force"):
        write_config(path, FirstModel("digits", "/srv/digits.git"))

    assert path.read_text() == "mine"
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize("model", [FirstModel("Digits", "/srv/x"), FirstModel("digits", 'a"b'), FirstModel("digits", "/x", "a\nb")])
def test_a_config_that_nobody_could_read_is_not_written(tmp_path: Path, model: FirstModel) -> None:
    with pytest.raises(Said) as caught:
        write_config(tmp_path / "line.toml", model)

    assert caught.value.code == Exit.USAGE


@pytest.mark.parametrize("text", [post_receive(HookSettings("digits")), pre_push(HookSettings("digits", url="http://t:1"))])
def test_hooks_are_shell(text: str, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(text)

    assert subprocess.run(["sh", "-n", str(hook)], capture_output=True, text=True, check=False).stderr == ""


def test_a_hook_s_settings_are_quoted() -> None:
    text = post_receive(HookSettings("digits", line_file="/a b/line.json", command=("/opt/my python", "-m", "pushline.cli")))

    assert "export PUSHLINE_LINE='/a b/line.json'" in text
    assert "'/opt/my python' -m pushline.cli emit --model digits --stdin" in text


def test_line_json_is_for_its_owner_alone_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "line.json"

    write_line_file(path, LINE)

    assert mode(path) == 0o600
    assert read_line_file(path) == LINE
    assert "very secret" not in repr(LINE)
    assert "hush" not in repr(LINE)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"schema": 2})])
def test_a_line_json_of_another_form_is_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "line.json"
    path.write_text(text)

    with pytest.raises(Said, match=r"is no line\.json"):
        read_line_file(path)


def test_a_state_folder_goes_away_with_everything_in_it(tmp_path: Path) -> None:
    with state_folder(tmp_path / "state") as folder:
        (folder / "logs").mkdir()

    assert not (tmp_path / "state").exists()


def test_what_a_killed_line_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / LOCK).touch()

    with state_folder(tmp_path) as folder:
        assert [path.name for path in folder.iterdir()] == [LOCK]


def test_a_folder_with_somebody_s_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(Said, match="not empty"), state_folder(tmp_path):
        pass

    assert (tmp_path / "thesis.tex").exists()


def test_a_folder_in_which_a_line_runs_is_refused(tmp_path: Path) -> None:
    with state_folder(tmp_path), pytest.raises(Said, match="runs in"), state_folder(tmp_path):
        pass
