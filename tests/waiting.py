"""Waiting for a condition, with a deadline."""

import threading
import time
from collections.abc import Callable, Sized
from typing import TypeVar

T = TypeVar("T")
LOOK_AGAIN_SECONDS, SELDOM_SECONDS, SHARE = 0.02, 0.25, 0.05
PATIENCE_SECONDS = 20.0


def until(found: Callable[[], T | None], seconds: float = PATIENCE_SECONDS, what: str = "") -> T:
    """Give the first answer of `found` that is not None, False or empty. Fails after `seconds`, saying what was waited for.

    It is asked ever more seldom, so that long waits leave the processors to what is waited for: a twentieth of the wait so far
    apart.
    """
    began = time.monotonic()
    pause = threading.Event()
    while (answer := found()) is None or answer is False or (isinstance(answer, Sized) and len(answer) == 0):
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"waited {seconds} s in vain{f' for {what}' if what else ''}")
        pause.wait(min(SELDOM_SECONDS, max(LOOK_AGAIN_SECONDS, SHARE * waited)))
    return answer
