"""How a private repository is reached, as the operator writes it."""

from pathlib import Path

import pytest

from pushline.runtime.git_access import GitAccess
from pushline.runtime.operator_file import OperatorFileError, read_operator_file

HTTPS = 'repository = "https://git.example.com/team/digits.git"\n'
SSH = 'repository = "git@git.example.com:team/digits.git"\n'


def read(folder: Path, lines: str) -> GitAccess:
    for name, content, mode in (
        ("token", "glpat-0123\n", 0o600),
        ("open", "glpat-0123", 0o644),
        ("empty", "\n", 0o600),
        ("two-lines", "glpat-0123\nurl=https://evil.example.com\n", 0o600),
        ("key", "-----BEGIN OPENSSH PRIVATE KEY-----\n", 0o600),
        ("known_hosts", "git.example.com ssh-ed25519 AAAA\n", 0o644),
        ("signing", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", 0o600),
        ("odd", "whsec_this is no base64 at all\n", 0o600),
    ):
        (folder / name).write_text(content)
        (folder / name).chmod(mode)
    path = folder / "line.toml"
    path.write_text(f'[[models]]\nname = "digits"\n{lines}')
    return read_operator_file(path).models[0].access


def test_nothing_is_needed_for_a_public_repository(tmp_path: Path) -> None:
    assert read(tmp_path, HTTPS) == GitAccess()


def test_a_token_goes_with_a_user_that_every_forge_takes_or_the_named_one(tmp_path: Path) -> None:
    assert read(tmp_path, f'{HTTPS}token_file = "token"') == GitAccess(tmp_path / "token", "x-token-auth")
    assert read(tmp_path, f'{HTTPS}token_file = "token"\nusername = "ada"') == GitAccess(tmp_path / "token", "ada")


def test_a_token_may_go_to_this_machine_in_clear(tmp_path: Path) -> None:
    assert read(tmp_path, 'repository = "http://127.0.0.1:3000/a.git"\ntoken_file = "token"').token_file == tmp_path / "token"


def test_a_key_goes_with_an_ssh_address(tmp_path: Path) -> None:
    access = read(tmp_path, f'{SSH}ssh_key_file = "key"\nssh_known_hosts_file = "known_hosts"')

    assert (access.ssh_key_file, access.ssh_known_hosts_file) == (tmp_path / "key", tmp_path / "known_hosts")


def test_a_signing_token_is_a_secret_of_a_webhook(tmp_path: Path) -> None:
    read(tmp_path, f'{HTTPS}webhook_secret_files = ["signing"]')


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (f'{HTTPS}token_file = "open"', "others may read "),
        (f'{SSH}ssh_key_file = "open"', "others may read "),
        (f'{HTTPS}token_file = "none"', "cannot read "),
        (f'{HTTPS}token_file = "empty"', "holds no token"),
        (f'{HTTPS}token_file = "two-lines"', "holds no token"),
        (f'{HTTPS}token_file = "a\'b"', "has a quote"),
        (f'{SSH}token_file = "token"', "goes with a repository at an https address"),
        ('repository = "digits.git"\ntoken_file = "token"', "goes with a repository at an https address"),
        ('repository = "http://git.example.com/a.git"\ntoken_file = "token"', "would go over the network in clear"),
        ('repository = "http://127.0.0.1.example.com/a.git"\ntoken_file = "token"', "would go over the network in clear"),
        (f'{HTTPS}username = "ada"', "goes with token_file, which is missing"),
        (f'{HTTPS}token_file = "token"\nusername = "a\\nb"', "is no name of a user"),
        (f'{HTTPS}ssh_key_file = "key"', "goes with a repository at an ssh address"),
        (f'{HTTPS}ssh_known_hosts_file = "known_hosts"', "goes with a repository at an ssh address"),
        (f'{SSH}ssh_key_file = "key"\nssh_known_hosts_file = "none"', "cannot read "),
        (f'{HTTPS}webhook_secret_files = ["odd"]', "has no base64 after whsec_"),
        (
            f'{HTTPS}token_file = "token"\n[[models]]\nname = "other"\nbranch = "other"\n{HTTPS}',
            "another model reads this repository with another token or key",
        ),
    ],
    ids=range(17),
)
def test_what_is_wrong_is_named_and_no_secret_is_repeated(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(OperatorFileError, match=said) as raised:
        read(tmp_path, lines)

    assert "models[" in raised.value.problem
    assert "glpat" not in str(raised.value)
