"""[models.forge] of the operator's file: what is derived, what is refused, and whose secrets are looked at."""

from pathlib import Path

import pytest

from pushline.runtime import token_file
from pushline.runtime.forge_config import ForgeConfig
from pushline.runtime.operator_file import OperatorFileError, read_operator_file


def written(folder: Path, forge: str, repository: str = "https://github.com/team/digits.git") -> Path:
    path = folder / "line.toml"
    path.write_text(f'[[models]]\nname = "digits"\nrepository = "{repository}"\n[models.forge]\n{forge}\n')
    return path


def read(folder: Path, forge: str, repository: str = "https://github.com/team/digits.git") -> ForgeConfig:
    (model,) = read_operator_file(written(folder, forge, repository)).models
    assert model.forge is not None
    return model.forge


DERIVED = [
    ("https://github.com/team/digits.git", "github", "https://api.github.com", "team/digits"),
    ("git@github.com:team/digits.git", "github", "https://api.github.com", "team/digits"),
    ("ssh://git@gitlab.com/group/sub/digits", "gitlab", "https://gitlab.com/api/v4", "group/sub/digits"),
    ("https://git.example.com/team/digits", "gitea", "https://git.example.com/api/v1", "team/digits"),
    ("https://git.example.com:8443/team/digits", "gitlab", "https://git.example.com:8443/api/v4", "team/digits"),
    ("https://git.example.com/team/digits", "github", "https://git.example.com/api/v3", "team/digits"),
    ("https://codeberg.org/team/digits.git", "gitea", "https://codeberg.org/api/v1", "team/digits"),
]


@pytest.mark.parametrize(("repository", "kind", "api", "project"), DERIVED)
def test_api_and_project_come_from_the_repository(tmp_path: Path, repository: str, kind: str, api: str, project: str) -> None:
    config = read(tmp_path, f'kind = "{kind}"\ntoken_file = "token"', repository)

    assert config == ForgeConfig(kind, api, project, tmp_path / "token")


def test_everything_can_be_named(tmp_path: Path) -> None:
    forge = """
kind = "gitlab"
api = "https://git.example.com/gitlab/api/v4/"
project = "1234"
token_file = "secrets/token"
ca_file = "secrets/ca.pem"
status = true
comment = false
"""

    config = read(tmp_path, forge, "models/digits")

    api = "https://git.example.com/gitlab/api/v4"
    files = (tmp_path / "secrets/token", tmp_path / "secrets/ca.pem")
    assert config == ForgeConfig("gitlab", api, "1234", *files, status=True, comment=False)


TOKEN = 'token_file = "token"'
REFUSED = {
    "no kind": (TOKEN, "models[0].forge.kind: is missing"),
    "unknown kind": (f'kind = "svn"\n{TOKEN}', '"svn" is no kind of forge; known are github, gitlab, gitea'),
    "no token": ('kind = "github"', "models[0].forge.token_file: is missing"),
    "unknown key": (f'kind = "github"\n{TOKEN}\nurl = "x"', "models[0].forge.url: unknown key"),
    "clear": (
        f'kind = "gitea"\napi = "http://git.example.com/api/v1"\n{TOKEN}',
        "models[0].forge.api: the token would go over the network in clear; use an https address",
    ),
    "credentials": (
        f'kind = "gitea"\napi = "https://me:secret@git.example.com/api/v1"\n{TOKEN}',
        "models[0].forge.api: has credentials in it; name a file in token_file",
    ),
    "query": (f'kind = "gitea"\napi = "https://git.example.com/api?x=1"\n{TOKEN}', "is no https address without ? and #"),
    "project": (f'kind = "github"\nproject = "team/a/b"\n{TOKEN}', '"team/a/b" is not of the form owner/name'),
    "dots": (f'kind = "github"\nproject = "team/.."\n{TOKEN}', '"team/.." is not of the form owner/name'),
    "nothing": (
        f'kind = "github"\n{TOKEN}\nstatus = false\ncomment = false',
        "models[0].forge.status: is false, and so is comment: nothing would be written",
    ),
    "a flag": (f'kind = "github"\n{TOKEN}\nstatus = "yes"', "models[0].forge.status: 'yes' is not true or false"),
    "ca without https": (
        f'kind = "gitea"\napi = "http://127.0.0.1:3000/api/v1"\nca_file = "ca.pem"\n{TOKEN}',
        "models[0].forge.ca_file: goes with an api at an https address",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_by_its_key(tmp_path: Path, name: str) -> None:
    forge, sentence = REFUSED[name]

    with pytest.raises(OperatorFileError) as refused:
        read(tmp_path, forge)

    assert sentence in str(refused.value)
    assert "secret" not in str(refused.value)


def test_where_the_repository_does_not_tell_it_has_to_be_named(tmp_path: Path) -> None:
    for repository in ("models/digits", "git@git.example.com:team/digits.git", "https://gitlab.com/team/digits"):
        with pytest.raises(OperatorFileError, match=r"forge\.(api|project): is missing, and the repository's address"):
            read(tmp_path, f'kind = "github"\n{TOKEN}', repository)


def test_who_needs_no_secrets_has_none_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "line.toml"
    path.write_text(
        '[[models]]\nname = "digits"\nrepository = "https://github.com/team/digits"\ntoken_file = "none"\n'
        f'webhook_secret_files = ["none"]\n[models.forge]\nkind = "github"\n{TOKEN}\n'
    )

    (model,) = read_operator_file(path, secrets=False).models

    assert (model.webhook_secrets, model.access.token_file) == ((), tmp_path / "none")
    with pytest.raises(OperatorFileError, match="cannot read"):
        read_operator_file(path)


def test_a_token_that_may_not_be_used_is_a_sentence_without_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for content, mode, sentence in (
        (b"abc def\n", 0o600, "holds no token: one line of printable characters without spaces"),
        (b"", 0o600, "holds no token"),
        (b"abcdef\n", 0o644, "others may read"),
    ):
        path.write_bytes(content)
        path.chmod(mode)
        with pytest.raises(token_file.Unusable, match=sentence) as refused:
            token_file.read(path)
        assert "abc" not in str(refused.value).replace(str(path), "")


def test_a_token_is_its_file_without_the_end_of_the_line(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"glpat-abc\r\n")
    path.chmod(0o600)

    assert token_file.read(path) == "glpat-abc"
