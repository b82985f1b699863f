"""What is served now: one pointer a model, swapped in one step, and a count of the requests that still use what it pointed at."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from pushline.engine.engine import Engine
from pushline.predictor.pace import Pace


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers."""

    model: str
    digest: str
    commit: str
    deploy_seq: int
    run_id: str
    event_id: str

    def __hash__(self) -> int:
        """No two deployments have the same number; to make one of all fields costs a microsecond an answer."""
        return self.deploy_seq


@dataclass(frozen=True, slots=True)
class Loaded:
    """A deployment ready to answer; never changed, but for what was learnt of its pace."""

    identity: Identity
    engine: Engine
    task: str
    labels: tuple[str, ...]
    from_logits: bool = False  # a classifier's scores are those before softmax or sigmoid
    pace: Pace = field(default_factory=Pace, compare=False, repr=False)


@dataclass(slots=True, eq=False)
class Held:
    """A deployment and how many requests use it."""

    loaded: Loaded
    users: int = 0
    retired: bool = False


@dataclass(slots=True)
class Slot:
    """Where one model is served. `free` is called once for each swapped out, after its last request; it must not block."""

    free: Callable[[Loaded], None]
    _current: Held | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def current(self) -> Loaded | None:
        held = self._current
        return held.loaded if held else None

    def lease(self) -> "Lease":
        return Lease(self)

    def swap(self, loaded: Loaded | None) -> None:
        with self._lock:
            old, self._current = self._current, Held(loaded) if loaded else None
            idle = old is not None and old.users == 0
            if old is not None:
                old.retired = True
        if old is not None and idle:
            self.free(old.loaded)

    def take(self) -> Held | None:
        """Give what is served at this moment; it stays whole until it is given back, whatever is swapped in meanwhile."""
        with self._lock:
            held = self._current
            if held is not None:
                held.users += 1
            return held

    def give_back(self, held: Held) -> None:
        with self._lock:
            held.users -= 1
            last = held.retired and held.users == 0
        if last:
            self.free(held.loaded)


class Lease:
    """What a with statement takes and gives back."""

    __slots__ = ("_held", "_slot")

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._held: Held | None = None

    def __enter__(self) -> Loaded | None:
        self._held = self._slot.take()
        return self._held.loaded if self._held else None

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            self._slot.give_back(self._held)
