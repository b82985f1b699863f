"""A thread that loads has less weight than those that answer, and takes nobody with it."""

import os
import threading

from pushline.predictor.giving_way import NICE, give_way


def test_a_thread_that_gives_way_lowers_its_own_priority_alone() -> None:
    before, seen = os.getpriority(os.PRIO_PROCESS, 0), list[int]()

    def work() -> None:
        give_way()
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [max(before, NICE)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
