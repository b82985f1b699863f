"""The processes of a predictor: how long one rests before it is started again, and what it is not told."""

from pushline.predictor.settings import without_secrets
from pushline.predictor.workers import CALM_SECONDS, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, next_pause


def test_pauses_grow_to_a_bound_and_begin_anew_after_a_calm_while() -> None:
    pauses, pause = [], FIRST_PAUSE_SECONDS
    for _ in range(12):
        now, pause = next_pause(pause, lived=1.0)
        pauses.append(now)

    assert pauses[0] == FIRST_PAUSE_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert next_pause(pause, lived=CALM_SECONDS + 1)[0] == FIRST_PAUSE_SECONDS


def test_addresses_and_keys_of_the_line_are_not_handed_on() -> None:
    told = {
        "PATH": "/bin",
        "PUSHLINE_CACHE": "cache",
        "PUSHLINE_TOKENS_FILE": "tokens",
        "PUSHLINE_TLS_KEY": "key.pem",
        "PUSHLINE_KAFKA": "kafka:9092",
        "PUSHLINE_KAFKA_OPTIONS": "sasl.password=secret",
        "PUSHLINE_S3_ENDPOINT": "http://store",
        "PUSHLINE_S3_ACCESS_KEY_FILE": "a",
        "PUSHLINE_S3_SECRET_KEY": "b",
    }

    assert set(without_secrets(told)) == {"PATH", "PUSHLINE_CACHE", "PUSHLINE_TOKENS_FILE", "PUSHLINE_TLS_KEY"}
