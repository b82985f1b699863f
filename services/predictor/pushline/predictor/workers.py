"""The threads that answer gRPC calls: few, quick to hand work to, and more where callers keep them waiting."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

LOOK_SECONDS = 0.1
IDLE_SECONDS = 1.0  # then a thread that was added ends


class Handed(Future[Any]):
    """A call that was handed to a worker. It is only ever asked to tell that it is done."""

    def __init__(self, work: Callable[..., object], arguments: tuple[object, ...]) -> None:  # a Future's own costs 2 µs
        self.work, self.arguments = work, arguments
        self._told: list[Callable[[Future[Any]], object]] = []
        self._ended = False

    def run(self) -> None:
        try:
            self.work(*self.arguments)
        finally:
            self._ended, self.arguments = True, ()
            self._tell()

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        self._told.append(fn)
        if self._ended:
            self._tell()

    def _tell(self) -> None:
        """Whoever pops the callback calls it: once, whichever thread is first."""
        while self._told:
            try:
                tell = self._told.pop()
            except IndexError:
                return
            tell(self)


class Workers(ThreadPoolExecutor):
    """`count` threads, in the shape that grpcio asks for.

    NOTE: the library's pool costs a call 25 µs more of CPU time.
    NOTE: a worker of grpcio waits for the message of its call. Callers who send none would hold all of them, so while calls wait
    and nobody takes one, threads are added, unless all are busy computing; `most` in all.
    """

    def __init__(self, count: int, most: int) -> None:
        self.computing: set[int] = set()  # idents of the threads that have all they need
        self._count, self._most = count, max(count, most)
        self._waiting: SimpleQueue[Handed | None] = SimpleQueue()
        self._newest: Handed | None = None  # the last one taken
        self._threads_now: set[int] = set()
        self._stopped = threading.Event()
        for _ in range(count):
            self._add(self._work)
        threading.Thread(target=self._watch, name="grpc-watch", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:  # noqa: ANN401 - as the library declares it
        handed = Handed(fn, args)
        self._waiting.put(handed)
        return handed

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - as the library declares it
        self._stopped.set()
        for _ in range(self._most):
            self._waiting.put(None)

    def _add(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="grpc", daemon=True)
        thread.start()
        self._threads_now.add(thread.ident or 0)

    def _work(self) -> None:
        while (handed := self._waiting.get()) is not None:
            self._newest = handed
            handed.run()

    def _help(self) -> None:
        try:
            while (handed := self._waiting.get(timeout=IDLE_SECONDS)) is not None:
                self._newest = handed
                handed.run()
        except Empty:
            pass
        finally:
            self._threads_now.discard(threading.get_ident())

    def _watch(self) -> None:
        before = self._newest
        while not self._stopped.wait(LOOK_SECONDS):
            stuck = before is self._newest and len(self.computing) < self._count
            room = self._most - len(self._threads_now)
            for _ in range(min(room, self._waiting.qsize()) if stuck else 0):
                self._add(self._help)
            before = self._newest
