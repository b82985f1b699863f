"""What a server shows: certificate, key and CA that fit together, or one sentence that names the setting."""

import os
from pathlib import Path

import pytest

from pushline.runtime.settings import SettingsError, read
from pushline.runtime.tls import Certificates, TlsSettings, read_certificates
from tests.fixtures.predictor.certificates import Authority

CERTIFICATE, KEY, CLIENT_CA = "PUSHLINE_TLS_CERTIFICATE", "PUSHLINE_TLS_KEY", "PUSHLINE_TLS_CLIENT_CA"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, authority = tmp_path_factory.mktemp("certificates"), Authority()
    certificate, key = authority.sign("server").write(folder, "server")
    _, other_key = authority.sign("other").write(folder, "other")
    _, encrypted = authority.sign("server", passphrase=b"secret").write(folder, "encrypted")
    (folder / "text").write_text("no PEM at all")
    (folder / "huge").write_bytes(b"-" * ((1 << 20) + 1))
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "both").write_bytes(key.read_bytes() + certificate.read_bytes())
    return {
        "certificate": certificate,
        "key": key,
        "other key": other_key,
        "encrypted key": encrypted,
        "ca": authority.write(folder),
        "text": folder / "text",
        "huge": folder / "huge",
        "both": folder / "both",
        "folder": folder / "folder",
        "pipe": folder / "pipe",
        "none": folder / "none",
    }


def read_with(files: dict[str, Path], **named: str) -> Certificates | None:
    return read_certificates(read(TlsSettings, {f"PUSHLINE_TLS_{name.upper()}": str(files[file]) for name, file in named.items()}))


def test_nothing_named_is_no_tls(files: dict[str, Path]) -> None:
    assert read_with(files) is None


def test_what_fits_is_read_whole_and_shows_no_key(files: dict[str, Path]) -> None:
    found = read_with(files, certificate="certificate", key="key", client_ca="ca")

    assert found is not None
    assert found.chain == files["certificate"].read_bytes()
    assert found.client_ca == files["ca"].read_bytes()
    assert "PRIVATE" not in repr(found)


def test_one_file_may_hold_both(files: dict[str, Path]) -> None:
    assert read_with(files, certificate="both", key="both") is not None


WRONG = [
    pytest.param({"certificate": "certificate"}, KEY, "is missing", id="no key"),
    pytest.param({"key": "key"}, CERTIFICATE, "is missing", id="no certificate"),
    pytest.param({"client_ca": "ca"}, CERTIFICATE, "is missing", id="a CA alone"),
    pytest.param({"certificate": "none", "key": "key"}, CERTIFICATE, "cannot read .*: No such file", id="certificate not there"),
    pytest.param({"certificate": "certificate", "key": "none"}, KEY, "cannot read .*: No such file", id="key not there"),
    pytest.param({"certificate": "text", "key": "key"}, CERTIFICATE, "holds no certificate", id="certificate is text"),
    pytest.param({"certificate": "key", "key": "key"}, CERTIFICATE, "holds no certificate", id="certificate is a key"),
    pytest.param({"certificate": "huge", "key": "key"}, CERTIFICATE, "is larger than", id="certificate is huge"),
    pytest.param({"certificate": "pipe", "key": "key"}, CERTIFICATE, "is no regular file", id="certificate is a named pipe"),
    pytest.param({"certificate": "certificate", "key": "folder"}, KEY, "is no regular file", id="key is a folder"),
    pytest.param({"certificate": "certificate", "key": "text"}, KEY, "holds no private key", id="key is text"),
    pytest.param({"certificate": "certificate", "key": "other key"}, KEY, "is not the key of", id="key of another"),
    pytest.param({"certificate": "certificate", "key": "encrypted key"}, KEY, "is encrypted", id="key is encrypted"),
    pytest.param({"certificate": "certificate", "key": "key", "client_ca": "text"}, CLIENT_CA, "no certificate", id="CA is text"),
    pytest.param({"certificate": "certificate", "key": "key", "client_ca": "none"}, CLIENT_CA, "cannot read", id="CA not there"),
]


@pytest.mark.parametrize(("named", "setting", "why"), WRONG)
def test_what_is_wrong_is_one_sentence_that_names_the_setting(
    files: dict[str, Path], named: dict[str, str], setting: str, why: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^{setting}: .*{why}") as caught:
        read_with(files, **named)

    assert len(caught.value.problems) == 1
