"""Private repositories, fetched from git's own http-backend: where the token goes, and where it never does."""

import base64
import os
import shlex
from pathlib import Path

import pytest

from pushline.runtime.git_access import GitAccess
from pushline.runtime.git_secrets import ssh_command
from pushline.trainer.adapters.git_remote import GitRemote
from pushline.trainer.checkout import CheckoutLimits, ForgeUnavailable
from tests.fixtures.trainer_intake.git_http import git_over_http
from tests.fixtures.trainer_intake.repository import Repository

TOKEN = "glpat-Zq7-canary-token-91"
BASIC = base64.b64encode(f"ada:{TOKEN}".encode()).decode()
LIMITS = CheckoutLimits()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "a token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


def reading(work: Path, url: str, token_file: Path | None) -> GitRemote:
    return GitRemote(work, {url: GitAccess(token_file, "ada")})


def processes_of_git() -> list[bytes]:
    """Give arguments and environments of every git on this machine, as another process of the user sees them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes()
            if b"git" in arguments or b"sh\0-c" in arguments:
                found.append(arguments + (process / "environ").read_bytes())
        except OSError:
            continue
    return found


def test_a_private_repository_is_read_with_its_token_which_is_nowhere_to_be_seen(tmp_path: Path, token_file: Path) -> None:
    repository, seen = Repository(tmp_path), list[bytes]()
    sha = repository.push()
    with git_over_http(tmp_path, f"ada:{TOKEN}") as server:
        server.asked = lambda _: seen.extend(processes_of_git())
        url = server.url("digits.git")
        forge = reading(tmp_path / "work", url, token_file)

        assert forge.head(url, "main") == sha
        assert forge.checkout(url, "main", sha, tmp_path / "out", LIMITS).files == 1

    assert any(b"git-remote-http" in each for each in seen)
    kept = [path.read_bytes() for path in (tmp_path / "work").rglob("*") if path.is_file()]
    kept += [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    for secret in (TOKEN.encode(), BASIC.encode(), TOKEN.encode()[::-1]):
        assert not any(secret in each for each in (*seen, *kept))
    assert {given for _, _, given in server.log} == {"", f"Basic {BASIC}"}


@pytest.mark.parametrize("content", ["another-token\n", ""])
def test_a_wrong_token_is_waited_out_with_a_sentence_that_does_not_repeat_it(
    tmp_path: Path, token_file: Path, content: str
) -> None:
    Repository(tmp_path).push()
    token_file.write_text(content)
    with git_over_http(tmp_path, f"ada:{TOKEN}") as server:
        url = server.url("digits.git")

        with pytest.raises(ForgeUnavailable, match="does not answer: it does not take the token in token_file") as raised:
            reading(tmp_path / "work", url, token_file).head(url, "main")

    assert "another-token" not in str(raised.value)


def test_a_token_that_is_changed_counts_from_the_next_look(tmp_path: Path, token_file: Path) -> None:
    sha = Repository(tmp_path).push()
    token_file.write_text("the-old-token")
    with git_over_http(tmp_path, f"ada:{TOKEN}") as server:
        url = server.url("digits.git")
        forge = reading(tmp_path / "work", url, token_file)
        with pytest.raises(ForgeUnavailable):
            forge.head(url, "main")

        token_file.write_text(TOKEN)

        assert forge.head(url, "main") == sha


def test_a_private_repository_without_a_token_is_waited_for(tmp_path: Path) -> None:
    Repository(tmp_path).push()
    with git_over_http(tmp_path, f"ada:{TOKEN}") as server, pytest.raises(ForgeUnavailable, match="it demands a token"):
        GitRemote(tmp_path / "work").head(server.url("digits.git"), "main")


def test_a_redirect_is_not_followed_and_takes_no_token_along(tmp_path: Path, token_file: Path) -> None:
    Repository(tmp_path).push()
    with (
        git_over_http(tmp_path, f"ada:{TOKEN}") as elsewhere,
        git_over_http(tmp_path, redirect_to=f"http://127.0.0.1:{elsewhere.port}") as server,
    ):
        url = server.url("digits.git")

        with pytest.raises(ForgeUnavailable, match="does not answer: it redirects elsewhere"):
            reading(tmp_path / "work", url, token_file).head(url, "main")

    assert elsewhere.log == []


def test_the_token_of_one_repository_is_not_given_for_another(tmp_path: Path, token_file: Path) -> None:
    Repository(tmp_path).push()
    with git_over_http(tmp_path, f"ada:{TOKEN}") as server, pytest.raises(ForgeUnavailable):
        reading(tmp_path / "work", server.url("other.git"), token_file).head(server.url("digits.git"), "main")

    assert {given for _, _, given in server.log} == {""}


def test_a_half_answer_is_waited_out_and_the_next_look_is_right(tmp_path: Path) -> None:
    sha = Repository(tmp_path).push()
    with git_over_http(tmp_path) as server:
        url, forge = server.url("digits.git"), GitRemote(tmp_path / "work")

        def break_off(path: str) -> None:
            if path.endswith("git-upload-pack") and server.log[-1][0] == "POST":
                raise ConnectionAbortedError

        server.asked = break_off
        with pytest.raises(ForgeUnavailable):
            forge.checkout(url, "main", sha, tmp_path / "out", LIMITS)
        server.asked = lambda _: None

        assert forge.checkout(url, "main", sha, tmp_path / "out", LIMITS).files == 1


def test_ssh_takes_the_operators_key_and_known_hosts_and_nothing_else(tmp_path: Path) -> None:
    command = shlex.split(ssh_command(GitAccess(ssh_key_file=tmp_path / "a key", ssh_known_hosts_file=tmp_path / "known hosts")))

    assert command[command.index("-i") + 1] == str(tmp_path / "a key")
    assert {"StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes"} <= set(command)
    assert f'UserKnownHostsFile="{tmp_path / "known hosts"}"' in command
    assert "GlobalKnownHostsFile=/dev/null" in command
    assert os.fspath(tmp_path) not in ssh_command(GitAccess())
