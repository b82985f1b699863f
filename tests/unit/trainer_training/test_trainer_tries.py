import threading
import time

import pytest

from pushline.objects.memory_store import MemoryStore
from pushline.trainer import tries
from pushline.trainer.tries import Try

STILL_SECONDS = 0.3


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "STANDS_STILL_SECONDS", STILL_SECONDS)
    monkeypatch.setattr(tries, "LOOK_SECONDS", 0.01)


def begun(store: MemoryStore, owner: str) -> Try:
    made = tries.begin(store, "digits", "run", owner)
    assert made is not None
    return made


def waited(store: MemoryStore, cancelled: threading.Event | None = None) -> float:
    began = time.monotonic()
    tries.wait_for_others(store, "digits", "run", "me", cancelled or threading.Event())
    return time.monotonic() - began


def test_nobody_is_waited_for_where_no_try_began() -> None:
    assert waited(MemoryStore()) < STILL_SECONDS


def test_an_own_try_ended_with_its_process_and_is_not_waited_for() -> None:
    store = MemoryStore()
    begun(store, "me")

    assert waited(store) < STILL_SECONDS


def test_a_try_that_was_let_go_is_not_waited_for() -> None:
    store = MemoryStore()
    begun(store, "another").let_go()

    assert waited(store) < STILL_SECONDS


def test_a_try_of_another_owner_is_waited_for_as_long_as_it_moves() -> None:
    store = MemoryStore()
    moving, counter, pause = begun(store, "another"), 0, threading.Event()
    waiting = threading.Thread(target=waited, args=(store,))
    waiting.start()

    ends = time.monotonic() + 3 * STILL_SECONDS
    while time.monotonic() < ends:
        counter += 1
        moving.put(tries.PROGRESS, str(counter).encode())
        pause.wait(0.02)

    assert waiting.is_alive()
    waiting.join(30)
    assert not waiting.is_alive()


def test_a_try_of_another_owner_that_stands_still_is_given_up() -> None:
    store = MemoryStore()
    begun(store, "another").put(tries.PROGRESS, b"1")

    assert waited(store) >= STILL_SECONDS


def test_a_cancelled_run_waits_for_nobody() -> None:
    store, cancelled = MemoryStore(), threading.Event()
    begun(store, "another")
    cancelled.set()

    assert waited(store, cancelled) < STILL_SECONDS
