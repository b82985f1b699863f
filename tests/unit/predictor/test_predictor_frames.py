"""What the processes of a predictor say to each other: whole frames, bounded, or an end that is told."""

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from pushline.predictor.frames import MOST_BYTES, Frames, FramesBroken


@pytest.fixture
def ends() -> Iterator[tuple[Frames, socket.socket]]:
    ours, theirs = socket.socketpair()
    frames = Frames(ours)
    yield frames, theirs
    frames.close()
    theirs.close()


def say_much(sender: Frames, number: int) -> None:
    for at in range(20):
        sender.send("say", by=number, text="x" * 5000, at=at)


def test_what_is_sent_arrives_in_order_whoever_sends(ends: tuple[Frames, socket.socket]) -> None:
    sender, receiver = ends[0], Frames(ends[1])
    threads = [threading.Thread(target=say_much, args=(sender, number)) for number in range(4)]
    for thread in threads:
        thread.start()
    frames = [receiver.receive() or {} for _ in range(80)]
    for thread in threads:
        thread.join()

    assert all(frame["text"] == "x" * 5000 for frame in frames)
    for number in range(4):
        assert [frame["at"] for frame in frames if frame["by"] == number] == list(range(20))


def test_a_closed_end_is_an_end(ends: tuple[Frames, socket.socket]) -> None:
    ends[1].close()

    assert ends[0].receive() is None
    with pytest.raises(FramesBroken, match="nothing can be sent"):
        ends[0].send("say")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (struct.pack(">I", MOST_BYTES + 1), "too large"),
        (struct.pack(">I", 3) + b"abc", "no JSON"),
        (struct.pack(">I", 2) + b"[]", "no frame"),
        (struct.pack(">I", 8) + b'{"do":1}', "no frame"),
        (struct.pack(">I", 100) + b"{", "in the middle of a frame"),
        (b"\0", "in the middle of a frame"),
    ],
)
def test_what_is_no_frame_is_said(ends: tuple[Frames, socket.socket], data: bytes, sentence: str) -> None:
    ends[1].sendall(data)
    ends[1].shutdown(socket.SHUT_WR)

    with pytest.raises(FramesBroken, match=sentence):
        ends[0].receive()


def test_who_does_not_read_does_not_hold_the_sender_up(ends: tuple[Frames, socket.socket]) -> None:
    with pytest.raises(FramesBroken, match="nothing can be sent"):
        say_much_more(ends[0])


def say_much_more(sender: Frames) -> None:
    for _ in range(100):
        sender.send("say", text="x" * 100_000)
