"""TLS over real sockets, for gRPC and REST: who is believed, who is let in, and new certificates without a restart."""

import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushline.client import Client, PredictionFailed, Unavailable
from tests.fixtures.predictor.certificates import Authority, replaced
from tests.fixtures.predictor.running import wait_for
from tests.fixtures.predictor.secured import Secured, secured

X = [[1.0, 2.0, 3.0, 4.0]]
SHOWN, REFUSED = "the new certificate is shown from now on", "the new certificate is refused; the one before it is shown on"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Secured]:
    with secured(tmp_path) as found:
        yield found


@pytest.fixture
def mutual(tmp_path: Path) -> Iterator[Secured]:
    authority = Authority("the clients' authority")
    authority.write(tmp_path, "client-ca")
    authority.sign("a client").write(tmp_path, "client")
    with secured(tmp_path, tls_client_ca=str(tmp_path / "client-ca.pem")) as found:
        yield found


def test_who_believes_the_right_authority_is_answered(server: Secured) -> None:
    with server.client() as client:
        assert client.predict(X).y.tolist() == [[2, 4, 6]]
    assert server.rest() == 200


def test_who_believes_another_one_is_not(server: Secured) -> None:
    with server.client("other-ca.pem") as client, pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        client.predict(X)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        server.rest("other-ca.pem")


def test_nothing_is_answered_in_clear(server: Secured) -> None:
    with Client(server.address, timeout_seconds=5) as client, pytest.raises(Unavailable):
        client.predict(X)
    with pytest.raises(OSError, match=r"."):
        urllib.request.urlopen(f"http://127.0.0.1:{server.service.rest.port}/v2", timeout=5)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_in_use_are_spoken_by_both(server: Secured, version: ssl.TLSVersion) -> None:
    assert (handshake(server, version), handshake(server, version, rest=True)) == (True, True)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_versions_by_none(server: Secured) -> None:
    old = ssl.TLSVersion.TLSv1_1
    assert (handshake(server, old), handshake(server, old, rest=True)) == (False, False)


def handshake(server: Secured, version: ssl.TLSVersion, *, rest: bool = False) -> bool:
    context = ssl.create_default_context(cafile=str(server.folder / "ca.pem"))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.minimum_version = context.maximum_version = version
    port = server.service.rest.port if rest else server.service.door.port
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        try:
            with context.wrap_socket(raw, server_hostname="127.0.0.1"):
                return True
        except (ssl.SSLError, ConnectionError):
            return False


def test_mutual_tls_lets_in_whom_the_authority_knows(mutual: Secured) -> None:
    with mutual.client(own="client") as client:
        assert client.predict(X).deploy_seq == 1
    assert mutual.rest(own="client") == 200


@pytest.mark.parametrize("own", ["", "server"])  # none, and one of an authority that is not asked for
def test_mutual_tls_lets_in_nobody_else(mutual: Secured, own: str) -> None:
    with mutual.client(own=own) as client, pytest.raises(Unavailable):
        client.predict(X)
    with pytest.raises(OSError, match=r"."):
        mutual.rest(own=own)


def test_certificates_rotate_without_a_restart_while_a_client_goes_on(server: Secured) -> None:
    stop, failed, answered = threading.Event(), [], []

    def go_on() -> None:
        with server.client() as client:
            while not stop.is_set():
                try:
                    answered.append(client.predict(X).deploy_seq)
                except PredictionFailed as error:
                    failed.append(error)

    before = server.shown()
    asking = threading.Thread(target=go_on)
    asking.start()
    try:
        fresh = server.authority.sign("the predictor, renewed")
        fresh.write(server.folder, "server")
        wait_for(lambda: server.said(SHOWN) == 1, "the new certificate")
        wait_for(lambda: server.shown() == (fresh.certificate.decode(),) * 2, "both doors to show it")
        so_far = len(answered)
        wait_for(lambda: len(answered) > so_far, "another answer")
    finally:
        stop.set()
        asking.join()

    assert before[0] == before[1] != fresh.certificate.decode()
    assert failed == []
    with server.client() as client:
        assert client.predict(X).deploy_seq == 1
    assert server.rest() == 200


def test_a_bad_new_certificate_keeps_the_old_one_and_is_told(server: Secured) -> None:
    before = server.shown()

    replaced(server.folder / "server.key", Authority().sign("another").key)
    wait_for(lambda: server.said(REFUSED) == 1, "the refusal")

    assert "PUSHLINE_TLS_KEY: " in server.output.getvalue()
    assert server.shown() == before
    fresh = server.authority.sign("the predictor, mended")
    fresh.write(server.folder, "server")
    wait_for(lambda: server.shown() == (fresh.certificate.decode(),) * 2, "the mended one")


def test_a_new_authority_of_the_clients_counts_without_a_restart_and_the_old_one_no_more(mutual: Secured) -> None:
    newer = Authority("the clients' new authority")
    newer.sign("a client, renewed").write(mutual.folder, "renewed")

    newer.write(mutual.folder, "client-ca")
    wait_for(lambda: mutual.said(SHOWN) == 1, "the new authority")

    with mutual.client(own="renewed") as client:
        assert client.predict(X).deploy_seq == 1
    assert mutual.rest(own="renewed") == 200
    with mutual.client(own="client") as client, pytest.raises(Unavailable):
        client.predict(X)
    with pytest.raises(OSError, match=r"."):
        mutual.rest(own="client")


def test_tokens_and_tls_go_together(tmp_path: Path) -> None:
    token = "a-token-of-the-tests"
    tokens = replaced(tmp_path / "tokens", token.encode())
    with secured(tmp_path, tokens_file=str(tokens), bind="0.0.0.0") as server:  # noqa: S104 - TLS, and a token
        with Client(server.address, tls=server.tls(), token=token) as client:
            assert client.predict(X).deploy_seq == 1
        with server.client() as client, pytest.raises(PredictionFailed) as caught:
            client.predict(X)

    assert caught.value.code == "UNAUTHENTICATED"
    assert server.said("IN CLEAR") == 0


WRONG = [
    pytest.param({"TLS_CERTIFICATE": "none"}, "PUSHLINE_TLS_KEY: is missing; PUSHLINE_TLS_CERTIFICATE names", id="no key"),
    pytest.param({"TLS_CERTIFICATE": "none", "TLS_KEY": "none"}, "PUSHLINE_TLS_CERTIFICATE: cannot read none: ", id="TLS"),
    pytest.param({"TOKENS_FILE": "none"}, "PUSHLINE_TOKENS_FILE: cannot read none: No such file or directory", id="tokens"),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_a_predictor_does_not_start_with_files_that_are_wrong_and_says_so_in_a_sentence(
    tmp_path: Path, wrong: dict[str, str], sentence: str
) -> None:
    environ = {
        "PATH": "/usr/bin:/bin",
        "PUSHLINE_CACHE": str(tmp_path),
        "PUSHLINE_KAFKA": "127.0.0.1:1",
        "PUSHLINE_S3_ENDPOINT": "http://127.0.0.1:1",
        "PUSHLINE_S3_ACCESS_KEY": "unused",
        "PUSHLINE_S3_SECRET_KEY": "unused",
        **{f"PUSHLINE_{name}": text for name, text in wrong.items()},
    }

    done = subprocess.run(
        [sys.executable, "-m", "pushline.predictor"], env=environ, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1
