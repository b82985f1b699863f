"""Threads that give way to those which answer: Linux gives each thread a priority of its own.

Not by much. A thread may hold Python's lock, and where other processes want its core too, one of the lowest priority would hold it
for long; those that answer would wait for it.
"""

import os
import threading
from contextlib import suppress

NICE = 5  # a third of the weight of a thread that answers


def give_way() -> None:
    """Lower the priority of this thread, for good; where its process was started with a lower one, nothing changes."""
    thread = threading.get_native_id()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, max(NICE, os.getpriority(os.PRIO_PROCESS, thread)))
