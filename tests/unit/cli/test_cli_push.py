"""`pushline push` up to git: what is committed, what is pushed, and each thing that git may refuse. Real git, a local remote."""

import io
import os
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile, StoreAccess, WatchedModel
from pushline.cli.model_repository import ModelRepository
from pushline.cli.push import Pushed, Told, _check_branch, _commit, _model_of, _push
from pushline.cli.terminal import Terminal

NAMES = {
    f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "T"), ("EMAIL", "t@example.com"))
}
ENVIRON = {**os.environ, **NAMES, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}  # noqa: TID251 - git needs PATH


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "--bare", "--initial-branch=main", "model.git")
    git(tmp_path, "clone", "-q", "model.git", "clone")
    folder = tmp_path / "clone"
    (folder / "train.py").write_text("one\n")
    git(folder, "add", "train.py")
    git(folder, "commit", "-qm", "one")
    git(folder, "push", "-q", "-u", "origin", "main")
    return folder


def git(folder: Path, *arguments: str) -> str:
    told = subprocess.run(["git", "-C", str(folder), *arguments], env=ENVIRON, capture_output=True, text=True, check=True)
    return told.stdout.strip()


def repository(folder: Path) -> ModelRepository:
    return ModelRepository(folder, ENVIRON)


def told() -> Told:
    return Told(Terminal(Console(file=io.StringIO()), Console(file=io.StringIO()), {}), silent=True)


def pushed(here: ModelRepository) -> Pushed:
    return Pushed("m", here.head(), here.upstream())


def a_line(**models: WatchedModel) -> LineFile:
    return LineFile(0, "b", {}, "", StoreAccess("s", "b", "k", "s", "r"), "127.0.0.1", {}, models, "", "")


def committed(folder: Path) -> list[str]:
    return git(folder, "show", "--format=", "--name-only", "HEAD").splitlines()


def test_a_message_commits_what_git_knows_and_never_a_new_file(clone: Path) -> None:
    (clone / "train.py").write_text("two\n")
    (clone / "new.py").write_text("new\n")
    said = told()

    _commit(repository(clone), "two", [], said)

    assert committed(clone) == ["train.py"]
    assert said.lines[1:] == ["not known to git, left out: new.py"]


def test_what_is_staged_is_committed_alone(clone: Path) -> None:
    (clone / "train.py").write_text("two\n")
    (clone / "new.py").write_text("new\n")
    git(clone, "add", "new.py")
    said = told()

    _commit(repository(clone), "two", [], said)

    assert committed(clone) == ["new.py"]
    assert said.lines[1:] == ["not committed: train.py"]


def test_paths_commit_these_alone_a_new_one_too(clone: Path) -> None:
    (clone / "train.py").write_text("two\n")
    (clone / "a b.py").write_text("new\n")

    _commit(repository(clone), "two", [str(clone / "a b.py")], told())

    assert committed(clone) == ["a b.py"]


def test_without_a_message_nothing_is_committed_and_that_is_said(clone: Path) -> None:
    (clone / "train.py").write_text("two\n")
    before, said = git(clone, "rev-parse", "HEAD"), told()

    _commit(repository(clone), "", [], said)

    assert git(clone, "rev-parse", "HEAD") == before
    assert said.lines == ["not committed: train.py; -m commits what git knows"]


def test_a_message_without_a_change_commits_nothing(clone: Path) -> None:
    said = told()

    _commit(repository(clone), "two", [], said)

    assert said.lines == ["nothing to commit: no file that git knows has changed"]


def test_a_path_that_is_not_there_is_a_sentence(clone: Path) -> None:
    with pytest.raises(Said, match=r"git add failed: .*nothing.py") as caught:
        _commit(repository(clone), "two", ["nothing.py"], told())

    assert caught.value.code == Exit.FAILED


def test_a_push_says_what_went_where_and_the_second_that_there_is_nothing(clone: Path) -> None:
    git(clone, "commit", "-q", "--allow-empty", "-m", "two")
    here, first, second = repository(clone), told(), told()

    _push(here, pushed(here), first)
    _push(here, pushed(here), second)

    assert first.lines == [f"pushed {here.head()[:10]} to origin main"]
    assert second.lines == [f"nothing to push: origin main is at {here.head()[:10]} already"]


def test_what_a_hook_of_the_remote_says_is_shown(clone: Path) -> None:
    hook = clone.parent / "model.git" / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\necho hello\n")
    hook.chmod(0o755)
    git(clone, "commit", "-q", "--allow-empty", "-m", "two")
    here, said = repository(clone), told()

    _push(here, pushed(here), said)

    assert "  remote: hello" in said.lines


def test_a_push_behind_the_remote_is_refused_and_says_what_to_do(clone: Path) -> None:
    git(clone, "commit", "-q", "--allow-empty", "-m", "two")
    git(clone, "push", "-q")
    git(clone, "reset", "-q", "--hard", "HEAD~1")
    git(clone, "commit", "-q", "--allow-empty", "-m", "other")
    here = repository(clone)

    with pytest.raises(Said, match=r"origin refused the push to main .*git pull") as caught:
        _push(here, pushed(here), told())

    assert caught.value.code == Exit.REFUSED


def test_a_push_that_a_hook_declines_says_so(clone: Path) -> None:
    hook = clone.parent / "model.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho no\nexit 1\n")
    hook.chmod(0o755)
    git(clone, "commit", "-q", "--allow-empty", "-m", "two")
    here = repository(clone)

    with pytest.raises(Said, match="pre-receive hook declined"):
        _push(here, pushed(here), told())


def test_a_remote_that_is_gone_is_a_sentence(clone: Path) -> None:
    git(clone, "remote", "set-url", "origin", str(clone / "gone"))
    here = repository(clone)

    with pytest.raises(Said, match="git push to origin failed: ") as caught:
        _push(here, pushed(here), told())

    assert "\n" not in caught.value.sentence


def test_a_folder_that_is_no_repository_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Said, match="is in no git work tree") as caught:
        repository(tmp_path)

    assert caught.value.code == Exit.BAD_FILE


def test_a_repository_without_a_commit_is_a_sentence(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")

    with pytest.raises(Said, match="no commit yet"):
        repository(tmp_path).head()


def test_a_branch_without_an_upstream_names_the_cure(clone: Path) -> None:
    git(clone, "checkout", "-q", "-b", "other")

    with pytest.raises(Said, match="git push -u origin other"):
        repository(clone).upstream()


def test_a_detached_head_is_a_sentence(clone: Path) -> None:
    git(clone, "checkout", "-q", "--detach")

    with pytest.raises(Said, match="HEAD is detached"):
        repository(clone).upstream()


def test_the_model_is_the_one_of_pushline_toml_else_the_one_watched_there(clone: Path) -> None:
    here = repository(clone)
    line = a_line(digits=WatchedModel(str(clone.parent / "model.git"), "main"), other=WatchedModel("/elsewhere", "main"))

    assert _model_of(here, here.upstream(), line) == "digits"
    (clone / "pushline.toml").write_text('[model]\nname = "named"\n')
    assert _model_of(here, here.upstream(), line) == "named"


@pytest.mark.parametrize("text", ["[model", "model = 3", "[model]\nname = 3", ""])
def test_a_pushline_toml_that_cannot_be_read_names_no_model(clone: Path, text: str) -> None:
    (clone / "pushline.toml").write_text(text)

    assert repository(clone).model_named() == ""


def test_a_branch_or_model_that_the_line_does_not_watch_is_refused_before_anything_is_pushed(clone: Path) -> None:
    upstream = repository(clone).upstream()
    line = a_line(digits=WatchedModel("x", "release"))

    with pytest.raises(Said, match=r"from branch release; this one goes to main. Nothing was pushed"):
        _check_branch(line, "digits", upstream)
    with pytest.raises(Said, match=r"knows digits. Nothing was pushed"):
        _check_branch(line, "letters", upstream)
    _check_branch(a_line(), "letters", upstream)
