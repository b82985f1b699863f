"""The command line of the predictor: what goes together, and which option is named where it does not."""

from pathlib import Path

import pytest

from pushline.predictor.arguments import Asked, asked


def test_without_words_it_follows_the_line() -> None:
    assert asked([]) == Asked(None, None, None, None)


def test_a_folder_is_served_at_a_socket_or_at_a_port() -> None:
    assert asked(["--model", "m", "--socket", "s"]) == Asked(None, Path("m"), Path("s"), None)
    assert asked(["--model", "m", "--grpc-port", "0"]) == Asked(None, Path("m"), None, "0")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--socket", "s"], "--socket and --grpc-port go with --model"),
        (["--grpc-port", "1"], "--socket and --grpc-port go with --model"),
        (["--model", "m"], "--model: say where"),
        (["--model", "m", "--socket", "s", "--grpc-port", "1"], "--model: say where"),
        (["--model", "m", "--socket", "s", "--workers", "2"], "--workers"),
        (["--modal", "m"], "--modal"),
    ],
)
def test_words_that_make_no_sense_are_named(words: list[str], option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        asked(words)

    assert ended.value.code == 2
    assert option in capsys.readouterr().err


def test_help_says_what_a_folder_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        asked(["--help"])

    told = " ".join(capsys.readouterr().out.split())
    assert "folder with manifest.json and the files that serve" in told
    assert "--socket PATH" in told
