import hashlib
import hmac
import json

import httpx
import pytest

from pushline.cli.emit import hints_of_lines
from pushline.cli.exits import Exit, Said
from pushline.cli.hint import Hint, _judge, sign

NEW = "a" * 40
ZERO = "0" * 40


def test_the_signature_is_the_hmac_of_the_body_as_sent() -> None:
    body = Hint("digits", NEW, "refs/heads/main").body()

    assert sign(body, b"secret") == "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    assert json.loads(body) == {"model": "digits", "sha": NEW, "ref": "refs/heads/main"}


def test_a_hook_s_lines_become_hints_without_tags_and_deletions() -> None:
    lines = [f"{ZERO} {NEW} refs/heads/main\n", f"{NEW} {ZERO} refs/heads/old\n", f"{ZERO} {NEW} refs/tags/v1\n", "\n"]

    assert hints_of_lines("digits", lines) == [Hint("digits", NEW, "refs/heads/main")]


def test_a_line_of_another_form_is_refused() -> None:
    with pytest.raises(Said, match="old new ref"):
        hints_of_lines("digits", ["what is this thing"])


@pytest.mark.parametrize(
    ("status", "code"), [(503, Exit.UNKNOWN), (401, Exit.REFUSED), (400, Exit.REFUSED), (413, Exit.REFUSED), (500, Exit.REFUSED)]
)
def test_an_answer_that_is_no_run_has_an_exit_code(status: int, code: Exit) -> None:
    with pytest.raises(Said) as caught:
        _judge("http://trainer", Hint("digits", NEW, "refs/heads/main"), httpx.Response(status, json={"error": "why"}))

    assert caught.value.code == code


def test_an_ignored_hint_is_an_answer() -> None:
    answer = _judge(
        "http://trainer", Hint("digits", NEW, "r"), httpx.Response(200, json={"status": "ignored", "reason": "not the head"})
    )

    assert answer.told["reason"] == "not the head"
