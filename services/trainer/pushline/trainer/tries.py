"""The tries of a run in the store: each says that it began before it does anything that could kill its process."""

import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from pushline.objects import keys
from pushline.objects.store import ObjectMissing, Store, StoreError

MAX_TRIES = 3
STARTED, PROGRESS, LOG, HISTORY = "started", "progress.json", "log.txt", "history.json"
_MAX_STARTED = 4096


@dataclass(frozen=True, slots=True)
class Try:
    """One try: the objects under its own prefix. Every call may raise StoreError."""

    store: Store
    model: str
    run_id: str
    name: str

    def put(self, name: str, data: bytes) -> None:
        self.store.put_bytes(keys.try_file(self.model, self.run_id, self.name, name), data)

    def let_go(self) -> None:
        """Note that this try was stopped in good order (a stop, a newer commit), so that it never counts as a crash."""
        with suppress(StoreError):
            self.put(STARTED, _state("let_go"))


def begin(store: Store, model: str, run_id: str) -> Try | None:
    """Begin the next try; None where enough have crashed. Raises StoreError."""
    names = sorted(_names(store, model, run_id))
    if sum(_counts(store, model, run_id, name) for name in names) >= MAX_TRIES:
        return None
    number = 1 + max((_number(name) for name in names), default=0)
    made = Try(store, model, run_id, f"{number}-{secrets.token_hex(4)}")
    made.put(STARTED, _state("started"))
    return made


def newest_progress(store: Store, model: str, run_id: str) -> bytes:
    """Give the newest try's progress as it lies there, b"" for none: where it stands still, nobody works. Raises StoreError."""
    names = sorted(_names(store, model, run_id), key=lambda name: (_number(name), name))
    with suppress(ObjectMissing):
        if names:
            return store.read_bytes(keys.try_file(model, run_id, names[-1], PROGRESS), 1024 * 1024)
    return b""


def _names(store: Store, model: str, run_id: str) -> Iterator[str]:
    prefix = keys.tries(model, run_id)
    for key in store.list(prefix):
        name, _, file = key.removeprefix(prefix).partition("/")
        if file == STARTED:
            yield name


def _counts(store: Store, model: str, run_id: str, name: str) -> bool:
    data = store.read_bytes(keys.try_file(model, run_id, name, STARTED), _MAX_STARTED)
    return data != _state("let_go")


def _state(word: str) -> bytes:
    return json.dumps({"state": word}).encode()


def _number(name: str) -> int:
    first = name.partition("-")[0]
    return int(first) if first.isascii() and first.isdigit() else 0
