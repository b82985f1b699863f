from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from pushline.runtime.settings import (
    LineSettings,
    ProcessSettings,
    SettingsError,
    StoreSettings,
    count,
    describe,
    group,
    one_of,
    options,
    read,
    setting,
)

GOOD = {
    "PUSHLINE_KAFKA": "127.0.0.1:9092",
    "PUSHLINE_S3_ENDPOINT": "http://127.0.0.1:9000",
    "PUSHLINE_S3_ACCESS_KEY": "key-of-the-test",
    "PUSHLINE_S3_SECRET_KEY": "word-of-the-test",
}


@dataclass(frozen=True)
class ExampleSettings:
    line: LineSettings
    store: StoreSettings
    process: ProcessSettings = group(metrics_port=9101)
    sandbox: str = setting(
        "PUSHLINE_SANDBOX", default="bubblewrap", parse=one_of("bubblewrap", "off"), help="how scripts are shut in"
    )
    trainings: int = setting("PUSHLINE_MAX_TRAININGS", default=1, parse=count, help="how many at once")


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in GOOD.items() if key != name}


def problems_of(environ: Mapping[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        read(ExampleSettings, environ)
    return str(caught.value)


def test_settings_are_read_group_by_group() -> None:
    settings = read(ExampleSettings, {**GOOD, "PUSHLINE_TOPIC_PREFIX": "staging.", "PUSHLINE_MAX_TRAININGS": "3"})

    assert settings.line == LineSettings(kafka="127.0.0.1:9092", topic_prefix="staging.", check_topics=True)
    assert settings.store.bucket == "pushline"
    assert settings.trainings == 3


def test_a_group_takes_the_defaults_of_its_service() -> None:
    assert read(ExampleSettings, GOOD).process.metrics_port == 9101
    assert read(ExampleSettings, {**GOOD, "PUSHLINE_METRICS_PORT": "0"}).process.metrics_port == 0


def test_an_address_of_the_store_with_a_path_is_refused_by_name() -> None:
    message = problems_of({**GOOD, "PUSHLINE_S3_ENDPOINT": "http://minio:9000/pushline"})

    assert message.startswith('PUSHLINE_S3_ENDPOINT: "http://minio:9000/pushline" has a path')


def test_every_missing_and_wrong_setting_is_in_one_message() -> None:
    message = problems_of(
        {
            "PUSHLINE_S3_ENDPOINT": "minio:9000",
            "PUSHLINE_METRICS_PORT": "70000",
            "PUSHLINE_SANDBOX": "none",
            "PUSHLINE_MAX_TRAININGS": "0",
            "PUSHLINE_TOPIC_PREFIX": "a b",
        }
    )

    for name in (
        "PUSHLINE_KAFKA is missing: bootstrap servers",
        'PUSHLINE_S3_ENDPOINT: "minio:9000" is no http or https address',
        "PUSHLINE_S3_ACCESS_KEY is missing",
        "PUSHLINE_S3_SECRET_KEY is missing",
        'PUSHLINE_METRICS_PORT: "70000" is no port',
        'PUSHLINE_SANDBOX: "none" is none of bubblewrap, off',
        'PUSHLINE_MAX_TRAININGS: "0" is no whole number above 0',
        'PUSHLINE_TOPIC_PREFIX: "a b"',
    ):
        assert name in message
    assert len(message.splitlines()) == 8


def test_an_empty_setting_counts_as_unset() -> None:
    assert read(ExampleSettings, {**GOOD, "PUSHLINE_SANDBOX": ""}).sandbox == "bubblewrap"
    assert "PUSHLINE_KAFKA is missing" in problems_of({**GOOD, "PUSHLINE_KAFKA": ""})


def test_secrets_are_not_in_repr() -> None:
    shown = repr(read(ExampleSettings, {**GOOD, "PUSHLINE_KAFKA_OPTIONS": "sasl.password=word-of-the-broker"}))

    assert "127.0.0.1:9092" in shown
    assert not any(secret in shown for secret in ("key-of-the-test", "word-of-the-test", "word-of-the-broker"))


def test_a_wrong_secret_is_named_but_not_shown() -> None:
    message = problems_of({**GOOD, "PUSHLINE_KAFKA_OPTIONS": "word-of-the-broker"})

    assert message == "PUSHLINE_KAFKA_OPTIONS: its value cannot be read"


def test_a_secret_can_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("word-of-the-file\n")
    environ = without("PUSHLINE_S3_SECRET_KEY") | {"PUSHLINE_S3_SECRET_KEY_FILE": str(tmp_path / "secret")}

    assert read(ExampleSettings, environ).store.secret_key == "word-of-the-file"


def test_what_is_no_secret_has_no_file_form(tmp_path: Path) -> None:
    (tmp_path / "kafka").write_text("127.0.0.1:9092")

    assert "PUSHLINE_KAFKA is missing" in problems_of(without("PUSHLINE_KAFKA") | {"PUSHLINE_KAFKA_FILE": str(tmp_path / "kafka")})


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot read"), (b"\n", "is empty"), (b"\xff\xfe", "it is not UTF-8 text")],
)
def test_a_secret_file_that_cannot_be_used_is_named_once(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)

    message = problems_of(without("PUSHLINE_S3_SECRET_KEY") | {"PUSHLINE_S3_SECRET_KEY_FILE": str(path)})

    assert message.startswith("PUSHLINE_S3_SECRET_KEY_FILE: ")
    assert said in message
    assert str(path) in message
    assert "\n" not in message


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    message = problems_of({**GOOD, "PUSHLINE_S3_SECRET_KEY_FILE": str(tmp_path)})

    assert message == "PUSHLINE_S3_SECRET_KEY and PUSHLINE_S3_SECRET_KEY_FILE are both set; keep one"


def test_options_are_pairs() -> None:
    assert options("fetch.wait.max.ms=10; a = b=c;") == {"fetch.wait.max.ms": "10", "a": "b=c"}


def test_settings_can_be_listed_with_their_help() -> None:
    listed = {each.name: each.help for each in describe(ExampleSettings)}

    assert listed["PUSHLINE_MAX_TRAININGS"] == "how many at once"
    assert len(listed) == 14
    assert all(listed.values())
