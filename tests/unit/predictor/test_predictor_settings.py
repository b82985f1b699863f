"""What the predictor is told: all that is wrong in one message."""

from pathlib import Path

import pytest

from pushline.predictor.settings import Settings
from pushline.runtime.settings import SettingsError, read

ENOUGH = {
    "PUSHLINE_CACHE": "/var/cache/pushline",
    "PUSHLINE_KAFKA": "localhost:9092",
    "PUSHLINE_S3_ENDPOINT": "http://localhost:9000",
    "PUSHLINE_S3_ACCESS_KEY": "key",
    "PUSHLINE_S3_SECRET_KEY": "very secret",
}


def test_the_defaults_are_the_documented_ports() -> None:
    settings = read(Settings, ENOUGH)

    assert (settings.door.grpc_port, settings.process.metrics_port) == (8001, 9104)
    assert settings.cache == Path("/var/cache/pushline")
    assert settings.models == frozenset()
    assert settings.replica_name


def test_models_are_a_comma_list() -> None:
    assert read(Settings, ENOUGH | {"PUSHLINE_MODELS": " digits, words,"}).models == {"digits", "words"}


def test_everything_missing_or_wrong_is_in_one_message() -> None:
    with pytest.raises(SettingsError) as caught:
        read(Settings, {"PUSHLINE_GRPC_PORT": "many", "PUSHLINE_NON_FINITE": "maybe", "PUSHLINE_MAX_MESSAGE": "huge"})

    for name in (*ENOUGH, "PUSHLINE_GRPC_PORT", "PUSHLINE_NON_FINITE", "PUSHLINE_MAX_MESSAGE"):
        assert name in str(caught.value)


def test_no_secret_is_shown() -> None:
    assert "very secret" not in repr(read(Settings, ENOUGH))
