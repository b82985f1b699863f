"""What a training shows of itself: the newest try's progress.json and log.txt in the store. Informs, decides nothing."""

import json
from dataclasses import dataclass
from typing import Any

from pushline.objects import keys
from pushline.objects.store import ObjectMissing, Store, StoreError

MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Progress:
    stage: str  # checkout | training | evaluating | exporting | …
    epoch: int
    epochs: int  # 0 where it is not known
    metrics: dict[str, float]
    plain: dict[str, Any]  # as it lies there

    @property
    def numbers(self) -> str:
        return "  ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())


@dataclass(frozen=True, slots=True)
class Training:
    """One try of a run."""

    store: Store
    model: str
    run_id: str
    name: str  # <n>-<random>

    def progress(self) -> Progress | None:
        data = self._read("progress.json")
        try:
            plain = json.loads(data) if data else None
        except ValueError:
            return None
        return read_progress(plain) if isinstance(plain, dict) else None

    def log(self) -> str:
        return self._read("log.txt").decode("utf-8", "replace")

    def _read(self, name: str) -> bytes:
        try:
            return self.store.read_bytes(keys.try_file(self.model, self.run_id, self.name, name), MAX_BYTES)
        except ObjectMissing:
            return b""


def newest_training(store: Store, model: str, run_id: str) -> Training | None:
    """The last try that began. Raises StoreUnavailable."""
    prefix = keys.tries(model, run_id)
    names = {key.removeprefix(prefix).partition("/")[0] for key in store.list(prefix)}
    return Training(store, model, run_id, max(names, key=keys.try_order)) if names else None


def peek(store: Store, model: str, run_id: str) -> Progress | None:
    """The progress of the newest try, or nothing: for displays that look again soon."""
    try:
        training = newest_training(store, model, run_id)
        return training.progress() if training else None
    except StoreError:
        return None


def read_progress(plain: dict[str, Any]) -> Progress:
    numbers = plain.get("metrics")
    metrics = {str(name): float(value) for name, value in numbers.items() if _is_number(value)} if isinstance(numbers, dict) else {}
    return Progress(str(plain.get("stage", "")), _count(plain.get("epoch")), _count(plain.get("epochs")), metrics, plain)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
