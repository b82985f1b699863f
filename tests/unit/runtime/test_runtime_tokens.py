"""Who may ask: a token is taken whole or not at all, and stands in no message."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushline.runtime.settings import SettingsError
from pushline.runtime.small_file import MAX_BYTES
from pushline.runtime.tokens import Tokens

ALICE, BATCH = "AliceAliceAlice0", "c2VjcmV0LW9mLWJhdGNo.-_~+/=="


def tokens(folder: Path, text: str) -> Tokens:
    path = folder / "tokens"
    path.write_text(text)
    return Tokens(path, "PUSHLINE_TOKENS_FILE")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    return tokens(tmp_path_factory.mktemp("tokens"), f"# who may ask\n\n{ALICE}\r\n  batch\t{BATCH}  \n")


@pytest.mark.parametrize("header", [f"Bearer {ALICE}", f"bearer {ALICE}", f"BEARER   {BATCH} "])
def test_each_token_opens_whatever_the_case_of_the_scheme(both: Tokens, header: str) -> None:
    assert both.allows(header)
    assert both.names == ("line 3", "batch")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="none"),
        pytest.param("Bearer", id="no token"),
        pytest.param("Bearer ", id="an empty token"),
        pytest.param(ALICE, id="no scheme"),
        pytest.param(f"Basic {ALICE}", id="another scheme"),
        pytest.param(f"Bearer {ALICE[:-1]}", id="the beginning of a token"),
        pytest.param(f"Bearer {ALICE}0", id="more than a token"),
        pytest.param(f"Bearer {ALICE.lower()}", id="in other letters"),
        pytest.param(f"Bearer {ALICE} {BATCH}", id="two tokens"),
        pytest.param("Bearer batch", id="the name"),
        pytest.param(f"Bearer batch {BATCH}", id="the line"),
        pytest.param(f"Bearer\t{ALICE}", id="no space"),
        pytest.param(f"Bearer {ALICE}\0", id="a null"),
        pytest.param("Bearer \ud800", id="half a character"),
    ],
)
def test_nothing_else_does(both: Tokens, header: str) -> None:
    assert not both.allows(header)


@given(st.text())
def test_no_other_text_does(both: Tokens, text: str) -> None:
    assert not both.allows(text)
    assert not both.allows(f"Bearer {text}")


WRONG = [
    pytest.param("", "holds no token", id="empty"),
    pytest.param("# nobody\n", "holds no token", id="only a remark"),
    pytest.param("short\n", "line 1: a token has 16 to 1024 letters", id="too short"),
    pytest.param("x" * 1025, "line 1: a token has 16 to 1024 letters", id="too long"),
    pytest.param("with,a,comma,in,it", "line 1: a token has", id="odd characters"),
    pytest.param(f"the batch {BATCH}", "line 1 has 3 words", id="too many words"),
    pytest.param(f"b:atch {BATCH}", "line 1: a name has letters", id="an odd name"),
    pytest.param("ä" * 20, "is not ASCII text", id="not ASCII"),
    pytest.param("#" * (MAX_BYTES + 1), "is larger than 1048576 bytes", id="too large"),
]


@pytest.mark.parametrize(("text", "why"), WRONG)
def test_a_file_that_is_wrong_is_one_sentence_without_what_it_holds(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why) as caught:
        tokens(tmp_path, text)

    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith("PUSHLINE_TOKENS_FILE: ")
    assert BATCH not in str(caught.value)
    assert "with,a" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^PUSHLINE_TOKENS_FILE: cannot read .*: No such file or directory$"):
        Tokens(tmp_path / "none", "PUSHLINE_TOKENS_FILE")


def test_what_is_no_regular_file_is_one_sentence_and_nobody_waits_for_a_writer(tmp_path: Path) -> None:
    held = tokens(tmp_path, ALICE)
    for make in (os.mkfifo, os.mkdir):
        held.path.rename(tmp_path / f"before {make.__name__}")
        make(held.path)
        with pytest.raises(SettingsError, match="is no regular file"):
            held.read_again()
        assert held.allows(f"Bearer {ALICE}")


def test_two_tokens_may_have_one_name_and_one_token_two_lines(tmp_path: Path) -> None:
    """As while one is replaced by the other."""
    held = tokens(tmp_path, f"alice {ALICE}\nalice {BATCH}\nalice {BATCH}\n")

    assert held.allows(f"Bearer {ALICE}")
    assert held.allows(f"Bearer {BATCH}")
    assert held.names == ("alice", "alice")


def test_reading_again_replaces_all_and_a_bad_file_nothing(tmp_path: Path) -> None:
    held = tokens(tmp_path, ALICE)

    held.path.write_text("short")
    with pytest.raises(SettingsError):
        held.read_again()
    assert held.allows(f"Bearer {ALICE}")

    held.path.write_text(f"batch {BATCH}\n")
    held.read_again()
    assert held.allows(f"Bearer {BATCH}")
    assert not held.allows(f"Bearer {ALICE}")
    assert held.names == ("batch",)


def test_no_token_stands_in_what_is_kept(both: Tokens) -> None:
    kept = repr(vars(both))

    assert ALICE not in kept
    assert BATCH not in kept
