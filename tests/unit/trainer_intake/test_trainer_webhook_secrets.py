"""The secrets of webhooks follow the operator's file and what it names."""

import hashlib
import hmac
from io import StringIO
from pathlib import Path

import pytest

from pushline.runtime import logs
from pushline.runtime.operator_file import read_operator_file
from pushline.trainer.webhook.secrets import Secrets
from pushline.trainer.webhook.signature import Keyring, hub

OLD, NEW, EMIT = b"the old secret of digits", b"the new secret of digits", b"the secret of pushline emit"
BODY = b"{}"


class Files:
    def __init__(self, folder: Path) -> None:
        self.config, self.folder, self.told = folder / "line.toml", folder, StringIO()
        self.write("old", OLD)
        self.name("old")
        self.secrets = Secrets(self.config, read_operator_file(self.config).models, EMIT, logs.configure("test", self.told))

    def write(self, name: str, secret: bytes) -> None:
        (self.folder / name).write_bytes(secret)

    def name(self, *names: str) -> None:
        listed = ", ".join(f'"{name}"' for name in names)
        model = f'[[models]]\nname = "digits"\nrepository = "/srv/digits.git"\nwebhook_secret_files = [{listed}]\n'
        self.config.write_text(model)

    def count(self, *secrets: bytes) -> bool:
        """Say whether these secrets count, of all there are."""
        return tuple(secret for secret in (OLD, NEW) if self._fits(secret, self.secrets.forges)) == secrets

    def _fits(self, secret: bytes, keyring: Keyring) -> bool:
        signature = f"sha256={hmac.new(secret, BODY, hashlib.sha256).hexdigest()}"
        assert self.own(EMIT)
        return bool(hub("x-hub-signature-256", {"x-hub-signature-256": [signature]}, BODY, keyring))

    def own(self, secret: bytes) -> bool:
        return bool(self.secrets.own.models_of(lambda known: known == secret))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_secret_is_added_and_taken_out_without_a_restart(files: Files) -> None:
    assert files.count(OLD)
    files.write("new", NEW)
    files.name("old", "new")
    files.secrets.read_again()
    assert files.count(OLD, NEW)
    files.name("new")

    files.secrets.read_again()

    assert files.count(NEW)
    assert files.own(NEW)
    assert not files.own(OLD)


def test_a_secret_that_is_written_over_counts_in_the_place_of_the_one_before(files: Files) -> None:
    files.write("old", NEW)

    files.secrets.read_again()

    assert files.count(NEW)


@pytest.mark.parametrize("spoil", ["a short secret", "no such file", "no TOML", "the model is gone"])
def test_files_that_do_not_fit_change_nothing_and_are_told(files: Files, spoil: str) -> None:
    if spoil == "a short secret":
        files.write("old", b"short")
    elif spoil == "no such file":
        files.name("old", "new")
    else:
        files.config.write_text("[[models]\n" if spoil == "no TOML" else "")

    files.secrets.read_again()

    assert files.count(OLD)
    told = files.told.getvalue()
    assert ("the new webhook secrets are refused; the ones before them count on" in told) == (spoil != "the model is gone")
    assert OLD.decode() not in told
