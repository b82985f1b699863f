"""How a predictor is reached: what is refused before anything is sent, and what goes with every call."""

import subprocess
import sys
from pathlib import Path

import pytest

from pushline.client import Client, Tls
from pushline.client.connection import Bearer, connection

TOKEN = "a-token-of-the-tests"


@pytest.mark.parametrize("address", ["", "http://host:8000", "https://host:8000"])
def test_what_is_no_address_of_grpc_is_told_so(address: str) -> None:
    with pytest.raises(ValueError, match="give host:port"):
        Client(address)


def test_a_token_and_metadata_go_with_every_call() -> None:
    bearer = Bearer(TOKEN, None, {"X-Team": "search"})

    assert bearer.metadata() == (("x-team", "search"), ("authorization", f"Bearer {TOKEN}"))


def test_nothing_goes_where_nothing_is_given() -> None:
    assert Bearer(None, None, None).metadata() == ()


def test_a_token_of_a_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    bearer = Bearer(None, file, None)
    first = bearer.metadata()

    (tmp_path / "fresh").write_text("another-token-of-the-tests")
    (tmp_path / "fresh").replace(file)

    assert first == (("authorization", f"Bearer {TOKEN}"),)
    assert bearer.metadata() == (("authorization", "Bearer another-token-of-the-tests"),)


@pytest.mark.parametrize("become", ["", "two words", None])
def test_a_file_that_is_being_replaced_leaves_the_last_token(tmp_path: Path, become: str | None) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    bearer = Bearer(None, file, None)

    if become is None:
        file.unlink()
    else:
        file.write_text(become)

    assert bearer.metadata() == (("authorization", f"Bearer {TOKEN}"),)


@pytest.mark.parametrize("token", ["", "two words", "line\n", "ä"])
def test_a_token_that_no_header_takes_is_refused_unseen(token: str) -> None:
    with pytest.raises(ValueError, match=r"^the token is empty, or has spaces or characters that no header takes$"):
        Client("localhost:1", token=token)


def test_two_tokens_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep one"):
        Client("localhost:1", token=TOKEN, token_file=tmp_path / "token")


def test_files_that_are_not_there_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Client("localhost:1", token_file=tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        Client("localhost:1", tls=Tls(ca_file=tmp_path / "none"))
    with pytest.raises(ValueError, match="one of them is missing"):
        Client("localhost:1", tls=Tls(key_file=tmp_path / "none"))


@pytest.mark.parametrize("address", ["predictor:8001", "dns:///predictor.example.com:8001", "10.0.0.1:8001", "[2001:db8::1]:8001"])
def test_a_token_in_clear_over_a_network_is_warned_of(address: str) -> None:
    with pytest.warns(UserWarning, match="in clear"):
        connection(address, {"token": TOKEN})


@pytest.mark.parametrize("address", ["localhost:8001", "127.0.0.1:8001", "[::1]:8001", "unix:/run/predictor"])
def test_on_this_machine_it_is_not(address: str) -> None:
    assert connection(address, {"token": TOKEN}).credentials is None


def test_with_tls_it_is_not() -> None:
    assert connection("predictor:8001", {"token": TOKEN, "tls": True}).credentials is not None


def test_importing_it_brings_neither_tensorflow_nor_kafka_nor_the_line() -> None:
    script = (
        "import sys, pushline.client\n"
        "heavy = {'tensorflow', 'keras', 'confluent_kafka', 'minio', 'ai_edge_litert'}\n"
        "held = {name.partition('.')[0] for name in sys.modules} & heavy\n"
        "ours = {name for name in sys.modules if name.startswith('pushline.') and not name.startswith('pushline.client')}\n"
        "sys.exit(str(held | ours) if held | ours else 0)\n"
    )

    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
