"""A clean stop: SIGTERM or SIGINT asks for it, a second one ends the process at once.

NOTE: the handlers do nothing in Python. The interpreter writes each signal's number into a pipe, and a thread reads it: an Event
must not be set in a signal handler (the interrupted code may hold the Event's own lock), and this works while the main thread is
busy in C code too.
"""

import os
import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    def __init__(self) -> None:
        self.requested = threading.Event()

    def install(self) -> None:
        """Call once, from the main thread."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        for number in SIGNALS:
            signal.signal(number, _nothing)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(reading,), name="signals", daemon=True).start()

    def wait(self) -> None:
        """Return once a stop is asked for."""
        self.requested.wait()

    def _listen(self, reading: int) -> None:
        while True:
            for number in os.read(reading, 16):
                if number not in SIGNALS:
                    continue
                if self.requested.is_set():
                    os._exit(128 + number)
                self.requested.set()


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Stand for the default action, which would end the process."""
