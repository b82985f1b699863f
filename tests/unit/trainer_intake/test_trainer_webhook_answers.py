"""202 only once the log holds the commit, 200 where it is not the head, 503 where nobody can say."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from pushline.line.memory import Fate, MemoryLog
from pushline.line.tail import Tail
from pushline.line.writer import Writer
from pushline.trainer.look import Look, Seen, SharedLook
from pushline.trainer.webhook.forms import Hint
from pushline.trainer.webhook.intake import MOST_A_MODEL, Answer, Intake
from tests.fixtures.trainer_intake.forge import A, B, C, FakeForge, a_line, a_model, pushes

Take = Callable[[Hint], Answer]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def line(log: MemoryLog) -> Iterator[tuple[Tail, Writer]]:
    with a_line(log) as line:
        yield line


@pytest.fixture
def intake(line: tuple[Tail, Writer]) -> Callable[[FakeForge], Take]:
    def make(forge: FakeForge) -> Take:
        looks: dict[str, Callable[[], Seen]] = {"digits": SharedLook(Look(a_model(), forge, *line, threading.Event(), 0.01))}

        async def take(hint: Hint) -> Answer:
            return await Intake(looks, 0.01)(hint)

        return lambda hint: asyncio.run(take(hint))

    return make


def test_a_pushed_head_is_202_with_its_run(intake: Callable[[FakeForge], Take], line: tuple[Tail, Writer]) -> None:
    answer = intake(FakeForge([A]))(Hint("digits", A))

    assert answer.status == 202
    with line[0].read() as ledger:
        run = ledger.runs[str(answer.body["run_id"])]
    assert run.commit.sha == A
    assert answer.body["event_id"] == run.push.id


def test_a_repeat_is_202_with_the_same_run(intake: Callable[[FakeForge], Take], line: tuple[Tail, Writer]) -> None:
    take = intake(FakeForge([A]))

    answers = [take(Hint("digits", A)) for _ in range(5)]

    assert len({answer.body["run_id"] for answer in answers}) == 1
    assert len(pushes(line[0])) == 1


def test_a_late_delivery_of_an_older_push_is_ignored_and_makes_no_run(
    intake: Callable[[FakeForge], Take], line: tuple[Tail, Writer]
) -> None:
    forge = FakeForge([A])
    take = intake(forge)
    take(Hint("digits", A))
    forge.heads = [B]
    take(Hint("digits", B))

    answer = take(Hint("digits", A))

    assert (answer.status, answer.body["reason"]) == (200, "not_head")
    assert [sha for _, _, sha in pushes(line[0])] == [A, B]


def test_a_forge_that_shows_the_push_a_moment_later_is_asked_once_more(intake: Callable[[FakeForge], Take]) -> None:
    forge = FakeForge([A])
    take = intake(forge)
    take(Hint("digits", A))
    forge.heads = [A, B]

    assert take(Hint("digits", B)).status == 202


def test_a_commit_that_is_on_no_branch_never_counts(intake: Callable[[FakeForge], Take], line: tuple[Tail, Writer]) -> None:
    answer = intake(FakeForge([A]))(Hint("digits", C))

    assert answer.status == 200
    assert [sha for _, _, sha in pushes(line[0])] == [A]


def test_a_forge_that_is_away_is_503(intake: Callable[[FakeForge], Take]) -> None:
    answer = intake(FakeForge([A], away=True))(Hint("digits", A))

    assert answer.status == 503
    assert answer.headers["Retry-After"]
    assert str(answer.body["error"]).startswith("forge: ")


def test_a_lost_append_is_503_and_the_repeat_is_202(intake: Callable[[FakeForge], Take], log: MemoryLog) -> None:
    take = intake(FakeForge([A]))
    log.fail_next(Fate.LOST)

    assert take(Hint("digits", A)).status == 503
    assert take(Hint("digits", A)).status == 202


def test_a_branch_that_is_not_there_is_ignored(intake: Callable[[FakeForge], Take]) -> None:
    assert intake(FakeForge([None]))(Hint("digits", A)).status == 200


def test_a_broker_that_is_down_is_503_and_the_next_look_records_the_push(
    intake: Callable[[FakeForge], Take], line: tuple[Tail, Writer], log: MemoryLog
) -> None:
    take = intake(FakeForge([A]))
    line[0].catch_up(10)
    log.set_unavailable(True)

    answer = take(Hint("digits", A))
    log.set_unavailable(False)

    assert answer.status == 503
    assert answer.headers["Retry-After"]
    assert str(answer.body["error"]).startswith("broker: ")
    assert pushes(line[0]) == []
    assert take(Hint("digits", A)).status == 202


def test_a_model_whose_forge_hangs_leaves_room_for_the_hints_of_others() -> None:
    go = threading.Event()

    def hang() -> Seen:
        assert go.wait(30)
        return Seen(None, None)

    async def test() -> None:
        take = Intake({"hangs": hang, "well": lambda: Seen(None, None)}, 0.01)
        held = [asyncio.create_task(take(Hint("hangs", A))) for _ in range(MOST_A_MODEL)]
        await asyncio.sleep(0)
        assert (await take(Hint("hangs", A))).status == 503
        assert (await take(Hint("well", A))).status == 200
        go.set()
        assert {(await each).status for each in held} == {200}
        assert (await take(Hint("hangs", A))).status == 200

    asyncio.run(asyncio.wait_for(test(), 60))


def test_at_the_end_nobody_waits_for_a_forge_that_may_lag_behind() -> None:
    async def test() -> int:
        take = Intake({"digits": lambda: Seen(B, None)}, lag_seconds=3600)
        waits = asyncio.create_task(take(Hint("digits", A)))
        await asyncio.sleep(0)
        await asyncio.to_thread(take.end)
        return (await waits).status

    assert asyncio.run(asyncio.wait_for(test(), 30)) == 200
