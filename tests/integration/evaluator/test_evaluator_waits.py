"""What is waited out, and what a cancelled evaluation leaves behind."""

import threading

import pytest

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits
from pushline.line.stage import Transient
from pushline.objects import keys
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.evaluator.judging import handler, judge
from tests.fixtures.evaluator.story import RUNS, first_work, put_run

PROGRAMS = RUNS.parent / "programs"


def test_a_store_that_is_away_is_waited_out(store: MemoryStore, child: LimitedChild) -> None:
    work = first_work(put_run(store, "digits"))
    store.set_unavailable(True)

    with pytest.raises(Transient, match="store: the store is away"):
        handler(store, child)(work, threading.Event())

    store.set_unavailable(False)
    assert judge(store, child, work).verdict == "accepted"


@pytest.mark.parametrize("which", ["manifest", "program", "answers", "dataset"])
def test_a_corrupt_object_is_waited_out_and_named(which: str, store: MemoryStore, child: LimitedChild) -> None:
    trained = put_run(store, "digits")
    event, about = trained.event, trained.manifest
    assert about.dataset is not None
    key = {
        "manifest": keys.manifest("digits", event.run_id, event.manifest_sha256),
        "program": keys.model_file("digits", event.files[1].sha256, "program.tflite"),
        "answers": keys.model_file("digits", event.files[2].sha256, "answers.npz"),
        "dataset": keys.dataset("digits", about.dataset.sha256),
    }[which]
    right = store.read_bytes(key)
    store.corrupt(key, b"spoiled")

    with pytest.raises(Transient, match=key):
        handler(store, child)(first_work(trained), threading.Event())

    store.corrupt(key, right)
    assert judge(store, child, first_work(trained)).verdict == "accepted"


def test_an_object_that_is_not_there_is_waited_out_and_named(store: MemoryStore, child: LimitedChild) -> None:
    trained = put_run(MemoryStore(), "digits")

    with pytest.raises(Transient, match="store: no object under runs/digits/"):
        handler(store, child)(first_work(trained), threading.Event())


def test_writes_that_do_not_read_back_are_waited_out(store: MemoryStore, child: LimitedChild) -> None:
    work = first_work(put_run(store, "digits"))
    store.spoil_writes(True)

    with pytest.raises(Transient, match=r"store: object .* has SHA-256"):
        handler(store, child)(work, threading.Event())


def test_a_child_that_does_not_start_is_waited_out(store: MemoryStore) -> None:
    work = first_work(put_run(store, "digits"))

    with pytest.raises(Transient, match="child process does not start"):
        handler(store, LimitedChild(Limits(), "", ("/no/such/python",)))(work, threading.Event())


def test_a_run_that_waits_for_the_store_holds_no_other_up(store: MemoryStore, child: LimitedChild) -> None:
    work = handler(store, child)
    with pytest.raises(Transient):
        work(first_work(put_run(MemoryStore(), "diabetes", 1)), threading.Event())

    assert work(first_work(put_run(store, "digits", 2)), threading.Event()) is not None


def test_a_run_that_waits_for_its_turn_can_be_cancelled(store: MemoryStore, child: LimitedChild) -> None:
    work, cancelled = handler(store, child), threading.Event()
    work.at_once.acquire()
    threading.Timer(0.2, cancelled.set).start()

    assert work(first_work(put_run(store, "digits")), cancelled) is None


def test_cancelled_work_says_nothing_and_writes_nothing(store: MemoryStore, child: LimitedChild) -> None:
    trained = put_run(store, "digits")
    cancelled = threading.Event()
    cancelled.set()

    assert handler(store, child)(first_work(trained), cancelled) is None
    assert list(store.list(keys.evaluations("digits", trained.event.run_id, "none"))) == []
