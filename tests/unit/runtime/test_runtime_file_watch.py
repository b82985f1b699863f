"""Files that change are told once, when they stand still."""

import os
import threading
from pathlib import Path

from pushline.runtime.file_watch import FileWatch


def test_a_change_is_told_once_it_stands_still(tmp_path: Path) -> None:
    first, second, told = tmp_path / "first", tmp_path / "second", []
    for file in (first, second):
        file.write_text("old")
    watch = FileWatch([first, second], lambda: told.append((first.read_text(), second.read_text())))

    watch.look()
    watch.look()
    first.write_text("renewed")
    watch.look()
    second.write_text("renewed")
    watch.look()
    assert told == []
    watch.look()
    watch.look()

    assert told == [("renewed", "renewed")]


def test_a_link_that_points_elsewhere_is_a_change(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    link, told = tmp_path / "link", []
    link.symlink_to("one")
    watch = FileWatch([link], lambda: told.append(link.read_text()))

    (tmp_path / "fresh").symlink_to("two")
    (tmp_path / "fresh").replace(link)
    watch.look()
    watch.look()

    assert told == ["two"]


def test_the_same_size_and_time_do_not_hide_another_file(tmp_path: Path) -> None:
    file, told = tmp_path / "file", []
    file.write_text("old")
    was = file.stat()
    watch = FileWatch([file], lambda: told.append(file.read_text()))

    (tmp_path / "fresh").write_text("new")
    os.utime(tmp_path / "fresh", ns=(was.st_atime_ns, was.st_mtime_ns))
    (tmp_path / "fresh").replace(file)
    watch.look()
    watch.look()

    assert told == ["new"]


def test_a_file_that_goes_is_a_change_and_so_is_its_return(tmp_path: Path) -> None:
    file, told = tmp_path / "file", []
    file.write_text("here")
    watch = FileWatch([file], lambda: told.append(file.exists()))

    file.unlink()
    watch.look()
    watch.look()
    file.write_text("back")
    watch.look()
    watch.look()

    assert told == [False, True]


def test_it_looks_by_itself_until_it_is_stopped(tmp_path: Path) -> None:
    file, told = tmp_path / "file", threading.Event()
    watch = FileWatch([file], told.set, look_seconds=0.01)
    watch.start()
    file.write_text("there now")

    assert told.wait(5)
    watch.stop()
