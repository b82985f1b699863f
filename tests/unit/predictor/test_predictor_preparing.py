"""The child that prepares models ends with its parent, however that one went."""

import socket
import subprocess
import sys

CHILD = """
import socket
from pushline.predictor.preparing import lines_of
with socket.socket(fileno=0) as parent:
    asked = lines_of(parent)
    asked()
    parent.sendall(b"an answer that nobody reads")
    asked()
"""


def ended_after(*, unread: bool) -> int:
    """Let the child answer, then leave, with its answer unread or read; give its exit code."""
    ours, theirs = socket.socketpair()
    with theirs:
        child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=theirs.fileno())
    with ours:
        ours.sendall(b"{}\n")
        assert ours.recv(1, socket.MSG_PEEK if unread else 0)
        if not unread:
            ours.recv(1024)
    try:
        return child.wait(20)
    finally:
        child.kill()


def test_it_ends_when_its_parent_leaves() -> None:
    assert ended_after(unread=False) == 0


def test_it_ends_when_its_parent_dies_with_an_answer_unread() -> None:
    assert ended_after(unread=True) == 0
