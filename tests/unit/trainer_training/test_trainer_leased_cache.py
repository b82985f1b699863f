"""Folders that are made once: threads stand for processes, as each lease has a lock of its own."""

import threading
from pathlib import Path

import pytest

from pushline.trainer.leased_cache import LeaseCancelled, LeasedCache
from tests.waiting import until

NEVER = threading.Event()


def fill(folder: Path) -> None:
    (folder / "x").write_text("0123456789")


def test_two_at_once_make_it_once_and_both_read_it(tmp_path: Path) -> None:
    cache, begun, go_on, made = LeasedCache(tmp_path, 9, 1000), threading.Event(), threading.Event(), list[str]()

    def make(folder: Path) -> None:
        begun.set()
        made.append(folder.name)
        go_on.wait(20)
        fill(folder)

    def use() -> None:
        with cache.lease("key", make, NEVER) as there:
            read.append((there / "x").read_text())

    read: list[str] = []
    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait(20)
    go_on.set()
    for thread in threads:
        thread.join()

    assert (len(made), read) == (1, ["0123456789"] * 3)


def test_a_making_that_fails_leaves_nothing_and_the_next_one_makes_it(tmp_path: Path) -> None:
    cache = LeasedCache(tmp_path, 9, 1000)

    def fails(folder: Path) -> None:
        fill(folder)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), cache.lease("key", fails, NEVER):
        pass
    assert cache.keys() == []
    assert not list(tmp_path.glob("*.making"))
    with cache.lease("key", fill, NEVER) as there:
        assert there.is_dir()


def test_who_waits_for_another_can_be_cancelled(tmp_path: Path) -> None:
    cache, begun, go_on, cancelled = LeasedCache(tmp_path, 9, 1000), threading.Event(), threading.Event(), threading.Event()

    def make(folder: Path) -> None:
        begun.set()
        go_on.wait(20)
        fill(folder)

    def use() -> None:
        with cache.lease("key", make, NEVER):
            pass

    maker = threading.Thread(target=use)
    maker.start()
    begun.wait(20)
    threading.Timer(0.2, cancelled.set).start()

    with pytest.raises(LeaseCancelled), cache.lease("key", make, cancelled):
        pass
    go_on.set()
    maker.join()
    until(lambda: cache.keys() == ["key"], 5)


def test_what_is_in_use_stays_and_the_rest_makes_room_by_size(tmp_path: Path) -> None:
    cache = LeasedCache(tmp_path, 9, 25)

    with cache.lease("a", fill, NEVER):
        for key in ("b", "c", "d"):
            with cache.lease(key, fill, NEVER):
                pass
        assert sorted(cache.keys()) == ["a", "d"]
        assert not cache.drop("a")
    assert cache.drop("a")


def test_what_a_process_that_died_left_half_made_goes(tmp_path: Path) -> None:
    (tmp_path / "old.making").mkdir()
    (tmp_path / "old.making/x").write_text("half")
    cache = LeasedCache(tmp_path, 9, 1000)

    with cache.lease("key", fill, NEVER):
        assert not (tmp_path / "old.making").exists()
