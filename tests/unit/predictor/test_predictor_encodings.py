"""Content codings: what is packed comes out, in pieces that are counted; what is no whole stream is refused."""

import gzip
import os
import zlib
from collections.abc import Callable

import pytest

from pushline.predictor import encodings
from pushline.predictor.refused import Refused

PACKED: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": gzip.compress, b"deflate": zlib.compress}


def unpack(body: bytes, name: bytes) -> tuple[bytes, list[int]]:
    counted: list[int] = []
    return encodings.unpack(body, name, counted.append), counted


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("content", [b"", b"{}", b"a" * 1_000_000, os.urandom(300_000)], ids=["empty", "small", "bomb", "random"])
def test_what_was_packed_comes_out_in_pieces_that_are_counted(name: bytes, content: bytes) -> None:
    found, counted = unpack(PACKED[name](content), name)

    assert found == content
    assert sum(counted) == len(content)
    assert max(counted, default=0) <= encodings.PIECE


def test_what_is_too_much_is_not_unpacked_to_its_end() -> None:
    class TooMuch(Exception):
        pass

    counted: list[int] = []

    def count(more: int) -> None:
        counted.append(more)
        if sum(counted) > 100_000:
            raise TooMuch

    with pytest.raises(TooMuch):
        encodings.unpack(gzip.compress(b"a" * 100_000_000), b"gzip", count)
    assert sum(counted) <= 100_000 + encodings.PIECE


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize(
    "spoil",
    [lambda body: body[:-3], lambda body: body + b"x", lambda _: b"", lambda _: b"none"],
    ids=["half", "more", "empty", "none"],
)
def test_what_is_no_whole_stream_is_refused_naming_the_header(name: bytes, spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Refused) as caught:
        unpack(spoil(PACKED[name](b"content" * 100)), name)

    assert caught.value.status == 400
    assert caught.value.sentence.startswith("Content-Encoding: ")


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        (b"", b""),
        (b"gzip", b"gzip"),
        (b"deflate", b"deflate"),
        (b"deflate, GZIP;q=0.5, br", b"gzip"),
        (b"gzip;q=0, deflate", b"deflate"),
        (b"*", b"gzip"),
        (b"identity, *;q=0", b""),
        (b"gzip;q=none", b""),
        (b"br", b""),
    ],
)
def test_an_answer_is_packed_as_the_client_accepts(accepted: bytes, wanted: bytes) -> None:
    assert encodings.wanted(accepted) == wanted


@pytest.mark.parametrize("name", PACKED)
def test_an_answer_that_was_packed_is_read_by_what_reads_bodies(name: bytes) -> None:
    assert unpack(encodings.pack(b"answer" * 1000, name), name)[0] == b"answer" * 1000
