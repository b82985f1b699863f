"""grpc.health.v1: Check and Watch, as https://github.com/grpc/grpc/blob/master/doc/health-checking.md has them.

NOTE: the library's servicer waits for each watcher to take a state, under a lock that the server's loop wants when a watcher leaves
(grpc/grpc#43403): one client could stop them all. Here nothing waits for a watcher; one who is slow is told the newest state.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import grpc
from grpc_health.v1 import health_pb2 as pb

from pushline.predictor.wire import Call, Metadata

SERVICE = pb.DESCRIPTOR.services_by_name["Health"].full_name
CHECK, WATCH = f"/{SERVICE}/Check", f"/{SERVICE}/Watch"
MOST_WATCHERS = 1024
State = pb.HealthCheckResponse


class Finish(Protocol):
    def __call__(
        self, call: Call, code: grpc.StatusCode, data: bytes | None = None, trailing: Metadata = (), details: str = ""
    ) -> None: ...


@dataclass(slots=True, eq=False)
class Watcher:
    call: Call
    service: str
    told: int | None = None  # the state that was sent last
    sending: bool = False


class Health:
    """Safe from any thread; nothing here waits. `finish` counts a call and ends it."""

    def __init__(self, finish: Finish) -> None:
        self._finish = finish
        self._states: dict[str, int] = {}
        self._watchers: dict[Call, Watcher] = {}
        self._ending = self._closed = False
        self._lock = threading.Lock()

    @property
    def methods(self) -> dict[str, Callable[[Call], None]]:
        return {CHECK: self._check, WATCH: self._watch}

    def set(self, service: str, *, serving: bool) -> None:
        with self._lock:
            if not self._ending:
                self._states[service] = State.SERVING if serving else State.NOT_SERVING
                self._tell_all()

    def end(self) -> None:
        """Say NOT_SERVING of everything, whatever is set from now on."""
        with self._lock:
            self._ending = True
            self._states = dict.fromkeys(self._states, State.NOT_SERVING)
            self._tell_all()

    def close(self) -> None:
        """End every watch, once it was told the last state."""
        with self._lock:
            self._closed = True
            self._tell_all()

    def _check(self, call: Call) -> None:
        """Raises DecodeError."""
        service = pb.HealthCheckRequest.FromString(call.data).service
        state = self._states.get(service)
        if state is None:
            self._finish(call, grpc.StatusCode.NOT_FOUND, details=f"{service[:80]!r} is neither a service nor a model here")
        else:
            self._finish(call, grpc.StatusCode.OK, State(status=state).SerializeToString())

    def _watch(self, call: Call) -> None:
        """Raises DecodeError."""
        watcher = Watcher(call, pb.HealthCheckRequest.FromString(call.data).service)
        with self._lock:
            full = len(self._watchers) >= MOST_WATCHERS
            if not full:
                self._watchers[call] = watcher
        if full:
            self._finish(call, grpc.StatusCode.RESOURCE_EXHAUSTED, details=f"{MOST_WATCHERS} watch already")
            return
        call.watch(self._left)
        with self._lock:
            self._tell(watcher)

    def _left(self, call: Call) -> None:
        with self._lock:
            known = self._watchers.pop(call, None)
        if known is not None:
            self._finish(call, grpc.StatusCode.CANCELLED)

    def _tell_all(self) -> None:
        for watcher in list(self._watchers.values()):
            self._tell(watcher)

    def _tell(self, watcher: Watcher) -> None:
        """Send the newest state where it is news and nothing is on its way; the lock is held."""
        if watcher.sending or watcher.call not in self._watchers:
            return
        state = self._states.get(watcher.service, State.SERVICE_UNKNOWN)
        if state != watcher.told:
            watcher.told, watcher.sending = state, True
            watcher.call.send(State(status=state).SerializeToString(), partial(self._sent, watcher))
        elif self._closed:
            del self._watchers[watcher.call]
            self._finish(watcher.call, grpc.StatusCode.UNAVAILABLE, details="this replica is stopping")

    def _sent(self, watcher: Watcher) -> None:
        with self._lock:
            watcher.sending = False
            self._tell(watcher)
