"""Policy `every`: each commit between the newest push and the head is a run, oldest first."""

import threading
from collections.abc import Iterator

import pytest

from pushline.line.memory import Fate, MemoryLog
from pushline.line.tail import Tail
from pushline.line.writer import Writer
from pushline.trainer import look as look_module
from pushline.trainer.look import Look, LookFailed
from tests.fixtures.trainer_intake.forge import A, B, C, D, FakeForge, a_line, a_model, a_push, pushes

Line = tuple[Tail, Writer]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def line(log: MemoryLog) -> Iterator[Line]:
    with a_line(log) as line:
        yield line


def look_at(forge: FakeForge, line: Line, policy: str = "every") -> Look:
    return Look(a_model(policy=policy), forge, *line, threading.Event(), 0.01)


def test_of_a_branch_that_was_never_looked_at_the_head_alone_is_recorded(line: Line) -> None:
    look_at(FakeForge([C], line=[A, B, C]), line)()

    assert pushes(line[0]) == [(1, 0, C)]


def test_each_commit_since_the_newest_push_is_recorded_oldest_first(line: Line) -> None:
    forge = FakeForge([A], line=[A])
    look = look_at(forge, line)
    look()
    forge.heads, forge.line = [D], [A, B, C, D]

    seen = look()

    assert seen.counts(D)
    assert pushes(line[0]) == [(1, 0, A), (2, 1, B), (3, 2, C), (4, 3, D)]
    with line[0].read() as ledger:
        befores = [push.event.commit.before for push in ledger.line("digits").pushes.values()]
    assert befores == ["", A, B, C]


def test_under_latest_the_head_alone_is_recorded(line: Line) -> None:
    forge = FakeForge([A], line=[A, B, C, D])
    look = look_at(forge, line, "latest")
    look()
    forge.heads = [D]
    look()

    assert pushes(line[0]) == [(1, 0, A), (2, 1, D)]


def test_where_the_newest_push_is_no_ancestor_the_head_alone_is_recorded(line: Line) -> None:
    forge = FakeForge([A], line=[A])
    look = look_at(forge, line)
    look()
    forge.heads, forge.line = [D], [B, C, D]
    look()

    assert pushes(line[0]) == [(1, 0, A), (2, 1, D)]


def test_one_look_records_so_many_and_the_next_goes_on(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_module, "MOST_A_LOOK", 2)
    forge = FakeForge([A], line=[A, B, C, D])
    look = look_at(forge, line)
    look()
    forge.heads = [D]

    with pytest.raises(LookFailed, match="2 commits of branch main are recorded, and more follow"):
        look()
    assert [sha for _, _, sha in pushes(line[0])] == [A, B, C]
    look()
    assert [sha for _, _, sha in pushes(line[0])] == [A, B, C, D]


def test_two_trainers_record_each_commit_once(line: Line) -> None:
    tail, writer = line
    forge = FakeForge([A], line=[A, B, C])
    look = look_at(forge, line)
    look()

    def another_trainer(number: int) -> None:
        if number == 3:
            assert writer.publish(a_push(B, 2, 1)).counted

    forge.heads, forge.asked = [C], another_trainer
    look()

    assert [sha for _, _, sha in pushes(tail)] == [A, B, C]


def test_a_lost_append_in_the_middle_is_made_up_for_by_the_next_look(line: Line, log: MemoryLog) -> None:
    forge = FakeForge([A], line=[A, B, C])
    look = look_at(forge, line)
    look()
    forge.heads = [C]
    log.fail_next(Fate.LOST)

    with pytest.raises(LookFailed, match="commit record"):
        look()
    look()

    assert [sha for _, _, sha in pushes(line[0])] == [A, B, C]


@pytest.mark.parametrize("policy", ["latest", "every"])
def test_a_head_that_is_too_large_to_be_fetched_is_a_run_all_the_same(line: Line, policy: str) -> None:
    seen = look_at(FakeForge([A], too_large=True), line, policy)()

    assert seen.counts(A)
    assert seen.newest is not None
    assert (seen.newest.event.commit.author, seen.newest.event.commit.message) == ("", "")
