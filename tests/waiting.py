"""Waiting for a condition, with a deadline."""

import threading
import time
from collections.abc import Callable, Sized
from typing import TypeVar

T = TypeVar("T")
LOOK_AGAIN_SECONDS = 0.02
PATIENCE_SECONDS = 20.0


def until(found: Callable[[], T | None], seconds: float = PATIENCE_SECONDS, what: str = "") -> T:
    """Give the first answer of `found` that is not None, False or empty. Fails after `seconds`, saying what was waited for."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while (answer := found()) is None or answer is False or (isinstance(answer, Sized) and len(answer) == 0):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain{f' for {what}' if what else ''}")
        pause.wait(LOOK_AGAIN_SECONDS)
    return answer
