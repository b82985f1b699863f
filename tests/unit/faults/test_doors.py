"""The doors that campaigns kill through: what passes is what came, and the chosen place is caught wherever the pieces end."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest

from tests.faults.http_door import BEFORE, BEHIND, HttpDoor, HttpTrap
from tests.faults.kafka_door import FETCH, OFFSET_COMMIT, PRODUCE, Frames, KafkaDoor, KafkaTrap
from tests.faults.relay import Cut, Relay, Trap, cuts, flips, lets_pass

SECONDS = 10


def request(api: int, correlation: int, body: bytes = b"") -> bytes:
    return framed(struct.pack(">hhi", api, 9, correlation) + body)


def framed(message: bytes) -> bytes:
    return struct.pack(">i", len(message)) + message


def answer(correlation: int, body: bytes = b"") -> bytes:
    return framed(struct.pack(">i", correlation) + body)


@dataclass
class Ends:
    """The caller's end of a wire, and the server's."""

    caller: socket.socket
    server: socket.socket

    def cut(self) -> bool:
        """Say whether both see the end, with nothing in front of it."""
        return self.caller.recv(1) == b"" and self.server.recv(1) == b""


@contextmanager
def through(door: Relay[Trap] | KafkaDoor | HttpDoor) -> Iterator[Ends]:
    caller, outer = socket.socketpair()
    inner, server = socket.socketpair()

    def talk() -> None:
        with suppress(Cut, OSError):
            door.talk(outer, inner)
        for wire in (outer, inner):
            wire.close()

    talking = threading.Thread(target=talk)
    talking.start()
    for wire in (caller, server):
        wire.settimeout(SECONDS)
    try:
        yield Ends(caller, server)
    finally:
        for wire in (caller, server):
            wire.close()
        talking.join(SECONDS)
        assert not talking.is_alive()


def read(wire: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        data = wire.recv(size - len(found))
        assert data, f"it ended after {len(found)} of {size} bytes"
        found += data
    return found


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 100, 10_000])
def test_a_stream_is_cut_into_frames_wherever_its_pieces_end(piece: int) -> None:
    frames = [request(PRODUCE, 1, b"x" * 50), framed(b""), request(FETCH, 2), request(PRODUCE, 3, b"y" * 3000)]
    stream, found, cutter = b"".join(frames), list[bytes](), Frames()

    for at in range(0, len(stream), piece):
        found += cutter.feed(stream[at : at + piece])

    assert found == frames


def test_a_frame_of_many_megabytes_passes_unchanged() -> None:
    big = request(PRODUCE, 1, bytes(range(256)) * 40_000)
    door = KafkaDoor()
    with through(door) as ends:
        sending = threading.Thread(target=ends.caller.sendall, args=(big,))
        sending.start()
        assert read(ends.server, len(big)) == big
        sending.join()
    assert door.seen == {PRODUCE: 1}


def test_requests_that_follow_each_other_at_once_are_told_apart_and_only_the_one_with_the_words_is_caught() -> None:
    first, wanted, last = request(PRODUCE, 1, b"other"), request(PRODUCE, 2, b"this one"), request(FETCH, 3)
    trap, door = KafkaTrap(spring=cuts, api=PRODUCE, words=(b"this", b"one")), KafkaDoor()
    with through(door) as ends, door.armed(trap):
        ends.caller.sendall(first + wanted + last)
        assert read(ends.server, len(first)) == first
        assert ends.cut()
    assert trap.sprung.is_set()


def test_the_answer_to_the_caught_request_is_withheld_and_those_in_front_of_it_are_not() -> None:
    trap, door = KafkaTrap(spring=cuts, api=OFFSET_COMMIT, answer=True), KafkaDoor()
    with through(door) as ends, door.armed(trap):
        asked = request(FETCH, 7) + request(OFFSET_COMMIT, 8)
        ends.caller.sendall(asked)
        assert read(ends.server, len(asked)) == asked
        assert not trap.sprung.is_set()
        ends.server.sendall(answer(7, b"records") + answer(8))
        assert read(ends.caller, len(answer(7, b"records"))) == answer(7, b"records")
        assert ends.cut()
    assert trap.sprung.is_set()


def test_a_trap_behind_another_waits_for_it_and_none_springs_twice() -> None:
    first = KafkaTrap(spring=lets_pass, api=PRODUCE, answer=True)
    then = KafkaTrap(spring=lets_pass, api=OFFSET_COMMIT, after=first)
    door = KafkaDoor()
    with through(door) as ends, door.armed(first, then):
        ends.caller.sendall(request(OFFSET_COMMIT, 1) + request(PRODUCE, 2))
        read(ends.server, len(request(OFFSET_COMMIT, 1)) + len(request(PRODUCE, 2)))
        assert not then.sprung.is_set()
        ends.server.sendall(answer(2))
        read(ends.caller, len(answer(2)))
        ends.caller.sendall(request(OFFSET_COMMIT, 3))
        read(ends.server, len(request(OFFSET_COMMIT, 3)))
        assert then.sprung.is_set()
        assert not then.take("again")


BODY = bytes(range(256)) * 8
PUT = b"PUT /bucket/models/m/a HTTP/1.1\r\nHost: a\r\nX-Amz-Date: 1\r\nContent-Length: %d\r\n\r\n" % len(BODY)
GET = b"GET /bucket/models/m/a HTTP/1.1\r\nHost: a\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
MISSING = OK.replace(b"200 OK", b"404 Not Found")


def http(method: str, side: str, at_share: float, spring: Callable[[bytes], bytes] = cuts, skip: int = 0) -> HttpTrap:
    return HttpTrap(spring=spring, method=method, path="models/m/", side=side, at_share=at_share, skip=skip)  # type: ignore[arg-type] # one of the two


def body_of(wire: socket.socket, size: int) -> bytes:
    """Read past a head, whatever it says, then so many bytes."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read(wire, 1)
    return read(wire, size)


def test_exchanges_on_one_connection_pass_unchanged_in_pieces_of_any_size() -> None:
    door = HttpDoor()
    with through(door) as ends:
        for asked in (PUT + BODY, GET):
            for at in range(0, len(asked), 97):
                ends.caller.sendall(asked[at : at + 97])
            sent = BODY if asked is not GET else b""
            assert body_of(ends.server, len(sent)) == sent
            for at in range(0, len(OK + BODY), 89):
                ends.server.sendall((OK + BODY)[at : at + 89])
            assert body_of(ends.caller, len(BODY)) == BODY


def test_a_request_that_comes_before_the_answer_to_the_one_before_is_not_lost() -> None:
    door = HttpDoor()
    with through(door) as ends:
        ends.caller.sendall(GET + PUT + BODY)
        assert body_of(ends.server, 0) == b""
        ends.server.sendall(OK + BODY)
        assert body_of(ends.caller, len(BODY)) == BODY
        assert body_of(ends.server, len(BODY)) == BODY
        ends.server.sendall(EMPTY)
        assert body_of(ends.caller, 0) == b""


def test_a_body_in_chunks_comes_out_whole() -> None:
    door = HttpDoor()
    with through(door) as ends:
        ends.caller.sendall(GET)
        body_of(ends.server, 0)
        ends.server.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
        ends.server.sendall(b"3\r\nfgh\r\n0\r\n\r\n")
        assert body_of(ends.caller, len(b"5\r\nabcde\r\n")) == b"5\r\nabcde\r\n"
        assert read(ends.caller, len(b"3\r\nfgh\r\n0\r\n\r\n")) == b"3\r\nfgh\r\n0\r\n\r\n"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.999])
def test_an_upload_ends_at_the_chosen_byte(share: float) -> None:
    trap, door = http("PUT", "request", share), HttpDoor()
    with through(door) as ends, door.armed(trap):
        ends.caller.sendall(PUT + BODY)
        before = int(share * len(BODY))
        assert body_of(ends.server, before) == BODY[:before]
        assert ends.cut()
    assert trap.caught == f"PUT /bucket/models/m/a byte {before} of {len(BODY)}"


@pytest.mark.parametrize("piece", [100, 2048])
def test_one_bit_of_a_download_is_turned_and_all_else_is_as_it_was(piece: int) -> None:
    trap, door = http("GET", "answer", 0.5, flips()), HttpDoor()
    with through(door) as ends, door.armed(trap):
        ends.caller.sendall(GET)
        body_of(ends.server, 0)
        for at in range(0, len(OK + BODY), piece):
            ends.server.sendall((OK + BODY)[at : at + piece])
        found = body_of(ends.caller, len(BODY))
    different = [at for at in range(len(BODY)) if found[at] != BODY[at]]
    assert different == [len(BODY) // 2]
    assert found[different[0]] ^ BODY[different[0]] == 1


def test_an_answer_is_withheld_from_its_first_byte_on() -> None:
    trap, door = http("PUT", "answer", BEFORE), HttpDoor()
    with through(door) as ends, door.armed(trap):
        ends.caller.sendall(PUT + BODY)
        assert body_of(ends.server, len(BODY)) == BODY
        ends.server.sendall(EMPTY)
        assert ends.cut()
    assert trap.sprung.is_set()


def test_what_lies_behind_the_last_byte_is_caught_once_all_of_it_has_passed() -> None:
    trap, door = http("GET", "answer", BEHIND), HttpDoor()
    with through(door) as ends, door.armed(trap):
        ends.caller.sendall(GET)
        body_of(ends.server, 0)
        ends.server.sendall(OK + BODY)
        assert body_of(ends.caller, len(BODY)) == BODY
        assert ends.cut()


def test_an_answer_that_says_no_is_none_that_a_trap_waits_for_and_so_many_are_let_pass() -> None:
    trap, door = http("GET", "answer", 0.5, skip=1), HttpDoor()
    with through(door) as ends, door.armed(trap):
        for said in (MISSING, MISSING, OK):
            assert not trap.sprung.is_set()
            ends.caller.sendall(GET)
            body_of(ends.server, 0)
            ends.server.sendall(said + BODY)
            body_of(ends.caller, len(BODY) if said is MISSING else len(BODY) // 2)
        assert ends.cut()
    assert trap.sprung.is_set()


def test_a_server_that_ends_before_it_answers_ends_the_callers_wire_too() -> None:
    door = HttpDoor()
    with through(door) as ends:
        ends.caller.sendall(GET)
        body_of(ends.server, 0)
        ends.server.shutdown(socket.SHUT_RDWR)
        assert ends.caller.recv(1) == b""
