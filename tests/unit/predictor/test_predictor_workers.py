"""The threads that answer: each piece of work is told done once, and callers who keep threads waiting do not hold them all."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from pushline.predictor.workers import IDLE_SECONDS, Workers
from tests.waiting import until

SECONDS = 20.0


def tell(told: list[int], number: int, _: object) -> None:
    told.append(number)


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(2, most=6)
    yield workers
    workers.shutdown()


def test_every_piece_of_work_is_done_and_told_once(workers: Workers) -> None:
    told: list[int] = []
    done: list[int] = []
    for number in range(500):
        workers.submit(done.append, number).add_done_callback(partial(tell, told, number))

    until(lambda: len(told) == 500, SECONDS, "all told")
    assert sorted(told) == sorted(done) == list(range(500))


def test_threads_that_wait_for_their_callers_are_helped_and_the_help_ends(workers: Workers) -> None:
    let_go, answered = threading.Event(), threading.Event()
    before = threading.active_count()
    for _ in range(4):
        workers.submit(let_go.wait)
    workers.submit(answered.set)

    assert answered.wait(SECONDS)
    let_go.set()
    until(lambda: threading.active_count() <= before, SECONDS + IDLE_SECONDS, "the added threads to end")


def test_threads_that_compute_get_no_help(workers: Workers) -> None:
    let_go, waited = threading.Event(), threading.Event()

    def compute() -> None:
        workers.computing.add(threading.get_ident())
        let_go.wait()
        workers.computing.discard(threading.get_ident())

    for _ in range(2):
        workers.submit(compute)
    until(lambda: len(workers.computing) == 2, SECONDS, "two computing")
    workers.submit(waited.set)

    assert not waited.wait(0.5)
    let_go.set()
    assert waited.wait(SECONDS)


def test_no_more_than_the_most_threads_are_held(workers: Workers) -> None:
    let_go = threading.Event()
    before = threading.active_count()
    for _ in range(20):
        workers.submit(let_go.wait)

    until(lambda: threading.active_count() == before + 4, SECONDS, "six threads")
    let_go.set()
