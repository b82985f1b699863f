"""The pointer that is swapped: what a request took stays whole until it ends, and is freed once."""

import threading

import pytest

from pushline.engine.engine import Array, Form, Signature
from pushline.predictor.serving import Identity, Loaded, Slot


class Numbered:
    """An engine that answers nothing and counts how often it was closed."""

    signature = Signature((), ())
    kind, problem, waits, at_once = "litert", "", False, 1
    forms: tuple[Form, ...] = ()

    def __init__(self) -> None:
        self.closed = 0

    def run(self, inputs: object, accepts: object = None) -> dict[str, Array]:  # noqa: ARG002 - the port's shape
        assert self.closed == 0
        return {}

    def warm_up(self, at_once: int = 1) -> None: ...

    def close(self) -> None:
        self.closed += 1


def a_loaded(deploy_seq: int) -> Loaded:
    return Loaded(
        Identity("numbers", "digest", "commit", deploy_seq, "run", f"event-{deploy_seq}"), Numbered(), "classification", ()
    )


def test_a_lease_keeps_what_it_took_while_a_newer_one_is_swapped_in() -> None:
    freed: list[Loaded] = []
    slot, one, two = Slot(freed.append), a_loaded(1), a_loaded(2)
    slot.swap(one)

    with slot.lease() as held:
        slot.swap(two)
        with slot.lease() as later:
            assert (held, later) == (one, two)
        assert freed == []

    assert freed == [one]


def test_what_nobody_uses_is_freed_at_the_swap() -> None:
    freed: list[Loaded] = []
    slot, one = Slot(freed.append), a_loaded(1)
    slot.swap(one)

    slot.swap(a_loaded(2))

    assert freed == [one]


def test_a_failing_request_gives_its_lease_back() -> None:
    freed: list[Loaded] = []
    slot = Slot(freed.append)
    slot.swap(a_loaded(1))

    def request() -> None:
        with slot.lease():
            slot.swap(None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        request()

    assert len(freed) == 1


def test_swaps_under_load_free_each_old_one_once_and_none_in_use() -> None:
    freed: list[Loaded] = []
    slot, stop = Slot(freed.append), threading.Event()
    slot.swap(a_loaded(0))
    seen: list[list[int]] = [[] for _ in range(4)]

    def ask(numbers: list[int]) -> None:
        while not stop.is_set():
            with slot.lease() as held:
                assert held is not None
                assert held not in freed
                numbers.append(held.identity.deploy_seq)

    threads = [threading.Thread(target=ask, args=(numbers,)) for numbers in seen]
    for thread in threads:
        thread.start()
    for number in range(1, 301):
        slot.swap(a_loaded(number))
    stop.set()
    for thread in threads:
        thread.join()

    assert sorted(loaded.identity.deploy_seq for loaded in freed) == list(range(300))
    assert all(numbers == sorted(numbers) for numbers in seen)
