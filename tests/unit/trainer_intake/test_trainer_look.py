import threading
from collections.abc import Iterator

import pytest

from pushline.line.memory import Fate, MemoryLog
from pushline.line.tail import Tail
from pushline.line.writer import Writer
from pushline.trainer.look import Look, LookFailed, Seen, SharedLook
from tests.fixtures.trainer_intake.forge import A, B, C, FakeForge, a_line, a_model, a_push, pushes
from tests.waiting import until

MODEL = a_model()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def line(log: MemoryLog) -> Iterator[tuple[Tail, Writer]]:
    with a_line(log) as line:
        yield line


def look_at(
    forge: FakeForge, line: tuple[Tail, Writer], stopping: threading.Event | None = None, lag_seconds: float = 0.01
) -> Look:
    return Look(MODEL, forge, *line, stopping or threading.Event(), lag_seconds)


def test_the_first_look_records_the_head(line: tuple[Tail, Writer]) -> None:
    seen = look_at(FakeForge([A]), line)()

    assert seen.counts(A)
    assert seen.newest is not None
    commit = seen.newest.event.commit
    assert (commit.ref, commit.before, commit.author) == ("refs/heads/main", "", "Ada <ada@example.com>")
    assert commit.repository == MODEL.repository
    assert pushes(line[0]) == [(1, 0, A)]


def test_a_look_at_a_branch_that_stands_still_records_nothing(line: tuple[Tail, Writer]) -> None:
    look = look_at(FakeForge([A]), line)

    look()
    look()

    assert pushes(line[0]) == [(1, 0, A)]


def test_a_moved_branch_is_the_next_generation_and_names_what_was_before(line: tuple[Tail, Writer]) -> None:
    forge = FakeForge([A])
    look = look_at(forge, line)
    look()
    forge.heads = [B]

    seen = look()

    assert seen.newest is not None
    assert seen.newest.event.commit.before == A
    assert pushes(line[0]) == [(1, 0, A), (2, 1, B)]


def test_a_branch_that_moves_during_the_look_is_looked_at_again(line: tuple[Tail, Writer]) -> None:
    seen = look_at(FakeForge([A, B, C]), line)()

    assert seen.counts(C)
    assert pushes(line[0]) == [(1, 0, A), (2, 1, B), (3, 2, C)]


def test_a_branch_that_is_not_there_is_no_run(line: tuple[Tail, Writer]) -> None:
    assert look_at(FakeForge([None]), line)() == Seen(None, None)
    assert pushes(line[0]) == []


def test_a_branch_that_was_deleted_changes_nothing(line: tuple[Tail, Writer]) -> None:
    forge = FakeForge([A])
    look = look_at(forge, line)
    look()
    forge.heads = [None]

    seen = look()

    assert seen.head is None
    assert seen.counts(A)
    assert len(pushes(line[0])) == 1


def test_a_forge_that_lags_behind_for_a_moment_makes_no_run(line: tuple[Tail, Writer]) -> None:
    look_at(FakeForge([A, B]), line)()

    seen = look_at(FakeForge([A, B]), line)()

    assert seen.counts(B)
    assert pushes(line[0]) == [(1, 0, A), (2, 1, B)]


def test_a_force_push_back_counts_once_the_forge_repeats_it(line: tuple[Tail, Writer]) -> None:
    look_at(FakeForge([A, B]), line)()
    forge = FakeForge([A])

    seen = look_at(forge, line)()

    assert seen.counts(A)
    assert pushes(line[0]) == [(1, 0, A), (2, 1, B), (3, 2, A)]
    assert forge.count == 3  # the answer, its repeat, and the agreement


def test_an_older_head_is_asked_for_afresh_where_the_newest_push_changed_meanwhile(line: tuple[Tail, Writer]) -> None:
    tail, writer = line
    look_at(FakeForge([A, B]), line)()

    def another_trainer(number: int) -> None:
        if number == 2:
            assert writer.publish(a_push(C, 3, 2)).counted

    forge = FakeForge([A, A, C], another_trainer)
    seen = look_at(forge, line)()

    assert seen.counts(C)
    assert [sha for _, _, sha in pushes(tail)] == [A, B, C]


def test_a_head_that_another_trainer_recorded_first_is_one_run(line: tuple[Tail, Writer]) -> None:
    tail, writer = line

    def another_trainer(number: int) -> None:
        if number == 1:
            assert writer.publish(a_push(B, 1, 0)).counted

    seen = look_at(FakeForge([B], another_trainer), line)()

    assert seen.counts(B)
    assert pushes(tail) == [(1, 0, B)]


def test_an_answer_that_was_overtaken_never_counts(line: tuple[Tail, Writer], log: MemoryLog) -> None:
    """Asked before the branch moved to B, written after another trainer recorded B: A must not become the newest."""
    tail, writer = line

    def another_trainer(number: int) -> None:
        if number == 1:
            assert writer.publish(a_push(B, 1, 0)).counted

    seen = look_at(FakeForge([A, B], another_trainer), line)()

    assert seen.counts(B)
    assert pushes(tail) == [(1, 0, B)]
    assert len(log.records("commit")) == 2  # the late one is in the log, and does not count


def test_numbers_go_on_above_records_that_do_not_count(line: tuple[Tail, Writer]) -> None:
    tail, writer = line
    look_at(FakeForge([A]), line)()
    assert not writer.publish(a_push(C, 7, 5)).counted

    look_at(FakeForge([B]), line)()

    assert pushes(tail) == [(1, 0, A), (8, 1, B)]


def test_a_head_that_was_replaced_before_it_could_be_read_is_asked_for_again(line: tuple[Tail, Writer]) -> None:
    seen = look_at(FakeForge([A, B], gone={A}), line)()

    assert seen.counts(B)
    assert pushes(line[0]) == [(1, 0, B)]


def test_a_forge_that_is_away_is_named(line: tuple[Tail, Writer]) -> None:
    with pytest.raises(LookFailed, match=r"^forge: the repository does not answer"):
        look_at(FakeForge([A], away=True), line)()


def test_a_broker_that_is_away_is_named(line: tuple[Tail, Writer], log: MemoryLog) -> None:
    line[0].catch_up(10)

    def disappear(number: int) -> None:
        log.set_unavailable(number > 0)

    with pytest.raises(LookFailed, match=r"^broker: "):
        look_at(FakeForge([A], disappear), line)()
    log.set_unavailable(False)


def test_an_append_without_a_report_that_is_in_the_log_counts(line: tuple[Tail, Writer], log: MemoryLog) -> None:
    log.fail_next(Fate.WRITTEN)

    assert look_at(FakeForge([A]), line)().counts(A)
    assert pushes(line[0]) == [(1, 0, A)]


def test_an_append_that_is_lost_is_not_known_and_found_by_the_next_look(line: tuple[Tail, Writer], log: MemoryLog) -> None:
    log.fail_next(Fate.LOST)
    look = look_at(FakeForge([A]), line)

    with pytest.raises(LookFailed, match=r"^commit record: "):
        look()
    assert look().counts(A)
    assert pushes(line[0]) == [(1, 0, A)]


def test_an_append_that_arrives_late_is_one_run(line: tuple[Tail, Writer], log: MemoryLog) -> None:
    log.fail_next(Fate.HELD)
    look = look_at(FakeForge([A]), line)
    with pytest.raises(LookFailed):
        look()
    look()
    log.release()

    assert look().counts(A)
    assert pushes(line[0]) == [(1, 0, A)]


def test_a_stop_ends_the_wait_for_a_forge(line: tuple[Tail, Writer]) -> None:
    look_at(FakeForge([A, B]), line)()
    stopping = threading.Event()
    stopping.set()

    with pytest.raises(LookFailed, match="stopping"):
        look_at(FakeForge([A]), line, stopping, lag_seconds=60)()


class SlowLook:
    """Counts looks; each waits until the test lets it go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.count = 0
        self.fails = False

    def __call__(self) -> Seen:
        self.count += 1
        self.begun.release()
        assert self.go.acquire(timeout=30)
        if self.fails:
            raise LookFailed("forge: away")
        return Seen(str(self.count), None)


def call_in_threads(shared: SharedLook, number: int, heads: list[str | None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=lambda: heads.append(shared().head)) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads


def test_a_hint_waits_for_a_look_that_began_after_it_came() -> None:
    slow, heads = SlowLook(), list[str | None]()
    shared = SharedLook(slow)
    first = call_in_threads(shared, 1, heads)
    assert slow.begun.acquire(timeout=30)
    later = call_in_threads(shared, 5, heads)
    slow.go.release()
    assert slow.begun.acquire(timeout=30)
    slow.go.release(10)
    for thread in [*first, *later]:
        thread.join(30)

    assert heads[0] == "1"
    assert all(head != "1" for head in heads[1:])
    assert len(heads) == 6
    assert slow.count <= 6


def test_looks_are_shared() -> None:
    slow, heads = SlowLook(), list[str | None]()
    shared = SharedLook(slow)
    first = call_in_threads(shared, 1, heads)
    assert slow.begun.acquire(timeout=30)
    later = call_in_threads(shared, 50, heads)
    wait_for_waiters(shared, 50)
    slow.go.release(2)
    for thread in [*first, *later]:
        thread.join(30)

    assert len(heads) == 51
    assert slow.count == 2


def test_a_look_that_fails_fails_for_everybody_who_waited_for_it_and_for_nobody_else() -> None:
    slow = SlowLook()
    slow.fails = True
    slow.go.release(2)
    shared = SharedLook(slow)
    with pytest.raises(LookFailed, match="forge: away"):
        shared()
    slow.fails = False

    assert shared().head == "2"


def test_a_defect_in_a_look_does_not_block_the_next() -> None:
    answers = iter([KeyError("odd"), None])

    def look() -> Seen:
        error = next(answers)
        if error:
            raise error
        return Seen("1", None)

    shared = SharedLook(look)
    with pytest.raises(KeyError):
        shared()
    assert shared().head == "1"


def wait_for_waiters(shared: SharedLook, number: int) -> None:
    until(lambda: len(shared._changed._waiters) == number, 30, "everybody to wait")  # type: ignore[attr-defined]  # of Condition
