import json

from pushline.objects import keys
from pushline.objects.memory_store import MemoryStore
from pushline.trainer import tries
from pushline.trainer.live import LiveTraining, LogText
from pushline.trainer.tries import Try


def begun(store: MemoryStore) -> Try:
    made = tries.begin(store, "digits", "run", "me")
    assert made is not None
    return made


def test_tries_are_numbered_and_the_fourth_is_refused_after_three_crashes() -> None:
    store = MemoryStore()

    names = [begun(store).name for _ in range(3)]

    assert [name.partition("-")[0] for name in names] == ["1", "2", "3"]
    assert tries.begin(store, "digits", "run", "me") is None
    assert tries.begin(store, "digits", "another", "me") is not None


def test_a_try_that_was_let_go_does_not_count() -> None:
    store = MemoryStore()
    for _ in range(5):
        begun(store).let_go()

    assert begun(store).name.startswith("6-")


def test_progress_metrics_and_history_are_written() -> None:
    store = MemoryStore()
    live = LiveTraining(begun(store))
    live.start()

    live.on_progress({"event": "fit", "epochs": 3})
    live.on_progress({"event": "epoch", "epoch": 1, "epochs": 3, "metrics": {"loss": 0.5, "odd": float("nan"), "\x1b[31mred": "x"}})
    live.on_progress({"event": "epoch", "epoch": 2, "metrics": {"loss": 0.25}})
    live.on_progress({"event": ["nonsense"], "epochs": 10**30})
    live.on_log(b"half a line")
    live.close("uploading")

    progress = json.loads(tries.newest_progress(store, "digits", "run"))
    assert progress["counter"] >= 1
    assert {**progress, "counter": 1} == {
        "schema": 1, "stage": "uploading", "epoch": 2, "epochs": 3, "metrics": {"loss": 0.25}, "counter": 1,
    }  # fmt: skip
    (history,) = [key for key in store.list(keys.tries("digits", "run")) if key.endswith("history.json")]
    assert json.loads(store.read_bytes(history)) == {"loss": [0.5, 0.25], "odd": [None], "red": [None]}


def test_a_store_that_is_away_holds_nothing_up() -> None:
    store = MemoryStore()
    live = LiveTraining(begun(store))
    store.set_unavailable(True)

    live.start()
    live.on_log(b"a line\n")
    live.close("failed")

    store.set_unavailable(False)
    assert tries.newest_progress(store, "digits", "run") == b""


def test_a_log_is_safe_to_print_however_its_bytes_arrive() -> None:
    log = LogText()
    for byte in "größer\r\n\x1b[31mred\x1b[0m\a\n10%\r20%\nend".encode():
        log.feed(bytes([byte]))
    log.feed(b"\xff")
    log.end_line()

    assert log.text == "größer\nred\\x07\n10%\n20%\nend\ufffd\n"


def test_a_long_log_is_cut_said_so_and_leaves_room_for_the_next_step() -> None:
    log = LogText(max_output=100)
    for number in range(50):
        log.feed(f"line {number}\n".encode())
    was_cut = log.is_cut
    log.say("[pushline] its last lines:\nline 49\x1b")
    log.begin()
    log.feed(b"the next step\n")

    assert was_cut
    assert log.text.count("is left out") == 1
    assert log.text.endswith("[pushline] its last lines:\nline 49\\x1b\nthe next step\n")
    assert len(log.text) < 400


def test_a_log_only_grows_while_it_is_followed() -> None:
    log, seen = LogText(max_output=60), ""
    for number in range(40):
        log.feed(f"line {number}\n".encode())
        assert log.text.startswith(seen)
        seen = log.text


def test_a_step_that_was_cut_ends_with_its_last_lines() -> None:
    store = MemoryStore()
    live = LiveTraining(begun(store))
    live.start()
    live.begin("tests")
    for _ in range(5):
        live.on_log(b"\x01" * 1024 * 1024 + b"\n")
    live.end("the end")
    live.begin("running")
    live.on_log(b"trains\n")
    live.close("uploading")

    (key,) = [key for key in store.list(keys.tries("digits", "run")) if key.endswith("log.txt")]
    log = store.read_bytes(key)
    assert log.endswith(b"its last lines:\nthe end\ntrains\n")
    assert len(log) < 5 * 1024 * 1024


def test_a_try_that_was_let_go_can_go_on() -> None:
    store = MemoryStore()
    made = begun(store)
    for _ in range(5):
        made.let_go()
        assert tries.resume(made, "me") is made

    assert tries.begin(store, "digits", "run", "me") is not None
    assert len([key for key in store.list(keys.tries("digits", "run")) if key.endswith("started")]) == 2
