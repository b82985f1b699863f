"""What the auditor is told from outside."""

import pytest

from pushline.auditor.settings import Settings
from pushline.runtime.settings import SettingsError, read

KAFKA = {"PUSHLINE_KAFKA": "127.0.0.1:9092"}
STORE = {
    "PUSHLINE_S3_ENDPOINT": "http://127.0.0.1:9000",
    "PUSHLINE_S3_ACCESS_KEY": "reader",
    "PUSHLINE_S3_SECRET_KEY": "secret-of-the-reader",
}


def test_without_a_store_comments_have_the_events_own_gates() -> None:
    assert not read(Settings, KAFKA).forge.store.is_given


def test_a_whole_store_is_taken_and_its_secret_is_in_no_repr() -> None:
    settings = read(Settings, KAFKA | STORE)

    assert settings.forge.store.is_given
    assert "secret-of-the-reader" not in repr(settings)


@pytest.mark.parametrize("missing", STORE)
def test_half_a_store_is_refused_by_name(missing: str) -> None:
    settings = read(Settings, KAFKA | {name: value for name, value in STORE.items() if name != missing})

    with pytest.raises(SettingsError, match=f"{missing} is missing: it goes with the others of the object store"):
        _ = settings.forge.store.is_given


@pytest.mark.parametrize("address", ["ftp://x", "https://me:secret@x", "https://x/?a=b", "https://x/#a", "pushline"])
def test_an_address_with_more_in_it_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="PUSHLINE_PUBLIC_URL: "):
        read(Settings, KAFKA | {"PUSHLINE_PUBLIC_URL": address})


def test_a_slash_at_the_end_of_the_address_is_no_part_of_it() -> None:
    assert read(Settings, KAFKA | {"PUSHLINE_PUBLIC_URL": "https://x.example/line/"}).forge.public_url == "https://x.example/line"
