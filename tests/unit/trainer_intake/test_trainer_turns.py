"""Many webhooks wait for few looks: each gets one that began after it came, and none holds up an event loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine

import pytest

from pushline.trainer.look import LookFailed, Seen
from pushline.trainer.webhook.turns import Turns
from tests.waiting import until


class SlowLook:
    """Counts looks; each waits until the test lets it go."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.begun = 0
        self.error: Exception | None = None

    def __call__(self) -> Seen:
        self.begun += 1
        number = self.begun
        assert self.go.acquire(timeout=30)
        if self.error is not None:
            raise self.error
        return Seen(str(number), None)


async def begun(slow: SlowLook, number: int) -> None:
    await asyncio.to_thread(until, lambda: slow.begun == number, 30, f"look {number}")


def run(test: Callable[[SlowLook, Turns], Coroutine[None, None, None]]) -> None:
    slow = SlowLook()
    asyncio.run(asyncio.wait_for(test(slow, Turns("digits", slow)), 60))


def test_everybody_gets_a_look_that_began_after_they_asked_and_they_share_it() -> None:
    async def test(slow: SlowLook, turns: Turns) -> None:
        first = asyncio.create_task(turns())
        await begun(slow, 1)
        later = [asyncio.create_task(turns()) for _ in range(50)]
        await asyncio.sleep(0)
        slow.go.release(2)

        assert (await first).head == "1"
        assert {(await each).head for each in later} == {"2"}
        assert slow.begun == 2

    run(test)


def test_a_look_that_fails_fails_for_who_waited_for_it_and_for_nobody_else() -> None:
    async def test(slow: SlowLook, turns: Turns) -> None:
        slow.error = LookFailed("forge: away")
        waiting = [asyncio.create_task(turns()) for _ in range(3)]
        slow.go.release(2)
        for each in waiting:
            with pytest.raises(LookFailed, match="forge: away"):
                await each
        slow.error = None
        slow.go.release(1)

        assert (await turns()).head is not None

    run(test)


def test_a_defect_is_raised_where_it_is_waited_for_and_blocks_no_later_look() -> None:
    async def test(slow: SlowLook, turns: Turns) -> None:
        slow.error = KeyError("odd")
        slow.go.release(2)
        with pytest.raises(KeyError, match="odd"):
            await turns()
        slow.error = None

        assert (await turns()).head == "2"

    run(test)


def test_who_gives_up_waiting_takes_the_look_from_nobody_else() -> None:
    async def test(slow: SlowLook, turns: Turns) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(turns(), 0.05)
        patient = asyncio.create_task(turns())
        impatient = asyncio.create_task(turns())
        await asyncio.sleep(0)
        impatient.cancel()
        slow.go.release(2)

        assert (await patient).head == "2"
        assert slow.begun == 2

    run(test)


def test_a_look_that_hangs_keeps_no_process_alive() -> None:
    before = set(threading.enumerate())

    async def test(slow: SlowLook, turns: Turns) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(turns(), 0.05)
        await begun(slow, 1)
        assert all(thread.daemon for thread in set(threading.enumerate()) - before if thread.name.startswith("look-"))
        slow.go.release(1)

    run(test)
