"""A commit that the line has never seen: what is said of it, asked of real repositories by git itself."""

from pathlib import Path

import pytest

from pushline.cli.exits import Exit, Said
from pushline.cli.line_file import LineFile, StoreAccess, WatchedModel
from pushline.cli.why_forge import never_seen
from tests.fixtures.trainer_intake.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.push("first")
    return made


def a_line(**repositories: str) -> LineFile:
    models = {name: WatchedModel(repository, "main") for name, repository in repositories.items()}
    return LineFile(0, "b", {}, "", StoreAccess("s", "b", "k", "s", "r"), "127.0.0.1", {}, models, "", "")


def test_the_branch_s_head_should_be_seen_soon(repository: Repository) -> None:
    sha = repository.push("second")

    answer = never_seen({}, a_line(digits=str(repository.bare)), sha[:9])

    assert answer.cause == "never_seen"
    assert (
        f"It is the head of branch main of {repository.bare} now: the trainer should see it within reconcile_interval."
        in answer.sentence
    )
    assert answer.next_steps == (f"pushline emit --model digits --sha {sha}",)


def test_the_operator_s_file_knows_how_often_the_trainer_looks(repository: Repository, tmp_path: Path) -> None:
    sha = repository.push("second")
    config = tmp_path / "line.toml"
    config.write_text(f'[[models]]\nname = "digits"\nrepository = "{repository.bare}"\nreconcile_interval = "90s"\n')

    answer = never_seen({"PUSHLINE_CONFIG": str(config)}, a_line(), sha)

    assert "the trainer should see it within 90 s (reconcile_interval)" in answer.sentence


def test_the_head_of_another_branch_is_named(repository: Repository) -> None:
    sha = repository.push("a try", branch="trial")

    answer = never_seen({}, a_line(digits=str(repository.bare)), sha)

    assert f"It is the head of trial of {repository.bare}; digits follows branch main." in answer.sentence
    assert answer.next_steps == ()


def test_a_commit_on_no_head_was_not_pushed_or_was_pushed_over(repository: Repository) -> None:
    covered, head = repository.commit("in between"), repository.push("on top")

    answer = never_seen({}, a_line(digits=str(repository.bare)), covered)

    assert f"No branch of {repository.bare} points to it: main, which digits follows, is at {head[:10]}." in answer.sentence
    assert "under the policy `latest` the head alone becomes a run" in answer.sentence


def test_a_branch_that_is_gone_is_told(repository: Repository) -> None:
    repository.delete()

    answer = never_seen({}, a_line(digits=str(repository.bare)), "a" * 40)

    assert "and there is no branch main, which digits follows" in answer.sentence


def test_a_forge_that_does_not_answer_leaves_it_open(tmp_path: Path) -> None:
    answer = never_seen({}, a_line(digits=str(tmp_path / "gone.git")), "a" * 40)

    assert "Whether it was pushed is not known: repository" in answer.sentence
    assert "does not answer" in answer.sentence


def test_of_several_repositories_the_one_that_has_it_speaks(repository: Repository, tmp_path: Path) -> None:
    line = a_line(digits=str(repository.bare), other=str(tmp_path / "gone.git"))

    answer = never_seen({}, line, repository.push("second"))

    assert "head of branch main" in answer.sentence
    assert "not known" not in answer.sentence


def test_no_url_but_a_configured_one_is_asked(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    answer = never_seen({}, a_line(digits=f"ext::touch {canary}"), "a" * 40)

    assert "is neither an https, http or ssh address nor an absolute path" in answer.sentence
    assert not canary.exists()


def test_a_line_that_names_no_repository_says_what_to_do() -> None:
    assert "name the operator's file by PUSHLINE_CONFIG" in never_seen({}, a_line(), "a" * 40).sentence


def test_a_model_that_is_not_watched_is_a_sentence(repository: Repository) -> None:
    with pytest.raises(Said, match="watches no model 'letters'") as caught:
        never_seen({}, a_line(digits=str(repository.bare)), "a" * 40, "letters")

    assert caught.value.code == Exit.NOT_FOUND


def test_an_operator_s_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Said, match="cannot be read") as caught:
        never_seen({"PUSHLINE_CONFIG": str(tmp_path / "none.toml")}, a_line(), "a" * 40)

    assert caught.value.code == Exit.BAD_FILE
