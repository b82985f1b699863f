"""Which rows the script trained on, as hashes: what fit was given, whatever it was, within bounds of rows and time.

Arrays are looked at when fit is called, what a generator gives as it passes, and a data set that can be read again once the script
has ended, so that nothing of the script changes. What is out of reach makes the answer one of some rows, not of all.
"""

import importlib
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .freeze import Array, Nested, batches_of, leaves

NAME = "training_rows.bin"
HASHES = f"{__package__}.row_hashes"  # laid beside this file where a trainer starts the launcher
SHARE, LEAST_SECONDS = 0.02, 1.0  # of the time since the start, that this may take
SETS_REMEMBERED = 4
JOINED = 1_000  # batches
READ_ROWS, TRIED, QUICK_SECONDS = 2_048, 8, 0.25  # of a tf.data set at once: each time costs as much as a few hundred rows
ONE_OF = 32  # batches that a generator gives once it has gone through all its data


class TrainedRows:
    """Never raises: it is only told of what Keras is given next."""

    def __init__(self) -> None:
        try:
            self._hashes: Any = importlib.import_module(HASHES)
        except ImportError:
            self._hashes = None
        self._known: Array = np.zeros(0, np.uint64)
        self._fresh: list[Array] = []
        self._fresh_rows = 0
        self._whole = True
        self._later: list[tuple[Any, int | None]] = []
        self._began, self._spent = time.monotonic(), 0.0

    def given(self, x: Any, steps: int | None = None) -> None:  # noqa: ANN401 whatever a script passes
        """Look at what fit is given, but for generators. `steps` is how many batches of a data set it takes in all."""
        if self._hashes is None:
            return
        try:
            if batches_of(x, 0) is None:
                self._try(x)
            elif not any(known is x for known, _ in self._later):
                self._whole &= len(self._later) < SETS_REMEMBERED
                self._later = [*self._later, (x, steps)][-SETS_REMEMBERED:]
        except Exception:  # noqa: BLE001 data of any kind; it is Keras that refuses it
            self._whole = False

    def passing(self, batches: Iterable[Any], tell: Callable[[Nested], None], epoch: int | None) -> Generator[Any, None, None]:
        """Pass on what a generator gives. `tell` hears the inputs of its first batch; `epoch` is how many batches make one.

        After the first epoch some are looked at, to see whether it gives the same rows again; if not, not all are known.
        """
        for number, batch in enumerate(batches):
            inputs = _inputs(batch)
            if number == 0:
                tell(inputs)
            if epoch is None or number < epoch:
                self._try(inputs)
            elif (number - epoch) % ONE_OF == 0 and (number == epoch or self._whole):
                self._try(inputs, again=True)
            yield batch

    def write(self, to: Path) -> None:
        """Look at what was left for the end, and write all that is known; nothing where no row is."""
        if self._hashes is None:
            return
        for data, steps in self._later:
            self._read(data, steps)
        self._join()
        if len(self._known):
            to.write_bytes(self._hashes.dump(self._hashes.Known(self._known, self._whole)))

    def _read(self, data: Any, steps: int | None) -> None:  # noqa: ANN401 whatever a script passed
        until = time.monotonic() + self._seconds
        try:
            for batch in self._quick(data, steps, until) or batches_of(data, steps) or ():
                if time.monotonic() > until or not self._try(_inputs(batch)):
                    self._whole = False
                    return
        except Exception:  # noqa: BLE001 a data set's own code
            self._whole = False

    def _quick(self, data: Any, steps: int | None, until: float) -> Iterable[Any] | None:  # noqa: ANN401 whatever a script passed
        """The same rows of tf.data in large batches, where one comes quickly; the first of all may have a shuffle to fill."""
        some = data if steps is None or not hasattr(data, "take") else data.take(steps)
        if not hasattr(some, "rebatch"):
            return None
        rows, began = 0, 0.0
        for batch in batches_of(some, TRIED) or ():
            rows, began = (rows + len(leaves(batch)[0]), began) if began else (0, time.monotonic())
            if not self._try(_inputs(batch)) or time.monotonic() > until:
                return None
        seconds = (time.monotonic() - began) / max(rows, 1) * READ_ROWS
        return batches_of(some.rebatch(READ_ROWS), None) if rows and seconds < QUICK_SECONDS else None

    def _try(self, inputs: Nested, *, again: bool = False) -> bool:
        """Say False where there is no room, in rows or time. `again`: rows that are not known yet say that there are others."""
        if self._hashes is None or self._room <= 0 or self._spent > self._seconds:
            self._whole = False
            return False
        began = time.monotonic()
        try:
            self._look(leaves(inputs), again=again)
        except Exception:  # noqa: BLE001 data of any kind
            self._whole = False
        self._spent += time.monotonic() - began
        return True

    @property
    def _seconds(self) -> float:
        return max(LEAST_SECONDS, SHARE * (time.monotonic() - self._began))

    @property
    def _room(self) -> int:
        """So many rows more; those that came more than once count again until they are joined."""
        return int(self._hashes.MOST_ROWS) - len(self._known) - self._fresh_rows

    def _look(self, inputs: list[Any], *, again: bool) -> None:
        room = self._room
        self._whole &= all(len(each) <= room for each in inputs)
        found = self._hashes.of_rows([_plain(each[:room]) for each in inputs])
        if again:
            self._join()
            if self._hashes.among(found, self._hashes.Known(self._known, self._whole)).all():
                return
            self._whole = False
        self._fresh.append(found)
        self._fresh_rows += len(found)
        if len(self._fresh) >= JOINED:
            self._join()

    def _join(self) -> None:
        if self._fresh:
            self._known = np.unique(np.concatenate([self._known, *self._fresh]))
            self._fresh, self._fresh_rows = [], 0


def _inputs(batch: Any) -> Nested:  # noqa: ANN401 whatever a data set yields
    return batch[0] if isinstance(batch, list | tuple) and batch else batch


def _plain(leaf: Any) -> Array:  # noqa: ANN401 whatever has rows
    array = np.asarray(leaf)
    if array.dtype == object:  # of texts, as TensorFlow gives them and as Pandas holds them
        flat = [value.encode() if isinstance(value, str) else value for value in array.ravel().tolist()]
        array = np.array(flat, "S").reshape(array.shape)
    return array
