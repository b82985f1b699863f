"""What there is to remember of a script: models it saved, data it gave them, epochs, seeds."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .freeze import Array, Frozen, Nested, Recorded, batches_of, from_arrays, from_batches, leaves, mapped
from .progress import Progress, number, numbers
from .result import what
from .trained_rows import TrainedRows

MODELS_REMEMBERED = 4
EPOCHS_REMEMBERED = 10_000
ROWS_SAMPLED = 256


@dataclass(frozen=True)
class Saved:
    """A model, the weights it had when it was saved, and the file's digest then."""

    path: Path
    model: Any
    weights: list[Array]
    digest: str


class Watch:
    def __init__(self, model_file: Path, progress: Progress) -> None:
        self._model_file = model_file
        self._progress = progress
        self._evaluated: list[tuple[Any, Frozen]] = []
        self._validated: list[tuple[Any, Frozen]] = []
        self._samples: list[tuple[Any, Nested]] = []
        self._histories: list[tuple[Any, dict[str, list[float | None]]]] = []
        self.saved_as_named: Saved | None = None
        self.saved_elsewhere: Saved | None = None
        self.last_path: Path | None = None
        self.seeds: dict[str, int] = {}
        self.problem = ""
        self.trained = TrainedRows()

    def saved(self, model: Any, path: Path) -> None:  # noqa: ANN401 a Keras model
        self.last_path = path
        if path.suffix not in (".h5", ".hdf5") or not path.is_file():
            return
        saved = Saved(path, model, [weight.copy() for weight in model.get_weights()], digest_of(path))
        if path == self._model_file:
            self.saved_as_named = saved
        else:
            self.saved_elsewhere = saved

    def seeded(self, by: str, seed: int) -> None:
        self.seeds[by] = seed

    def fit_started(self, model: Any, epochs: int) -> None:  # noqa: ANN401 a Keras model
        self._progress.say("fit", epochs=epochs)
        if not any(known is model for known, _ in self._histories):
            _remember(self._histories, model, {})

    def epoch_ended(self, model: Any, epoch: int, epochs: int, metrics: Mapping[str, Any] | None) -> None:  # noqa: ANN401 a Keras model
        self._progress.say("epoch", epoch=epoch, epochs=epochs, metrics=numbers(metrics))
        history = next((history for known, history in self._histories if known is model), {})
        for name, value in (metrics or {}).items():
            values = history.setdefault(str(name), [])
            if len(values) < EPOCHS_REMEMBERED:
                values.append(number(value))

    def evaluated(self, metrics: Mapping[str, Any]) -> None:
        self._progress.say("evaluate", metrics=numbers(metrics))

    def given(self, model: Any, x: Any, y: Any, taken_from: str, steps: int | None = None) -> None:  # noqa: ANN401 Keras' arguments
        """Freeze what evaluate or fit is given to judge by. Never raises: the script's own call comes next and tells."""
        where = self._evaluated if taken_from == "evaluate" else self._validated
        try:
            batches = batches_of(x, steps) if y is None else None
            frozen = from_arrays(x, y, taken_from) if batches is None else from_batches(batches, taken_from)
        except Exception as error:  # noqa: BLE001 data of any kind; it is Keras that refuses it
            self.problem = f"what {taken_from} was given cannot be kept: {what(error)}"
            return
        _remember(where, model, frozen)

    def recorded(self, model: Any, recorded: Recorded, taken_from: str) -> None:  # noqa: ANN401 a Keras model
        """What a generator gave, which can be read once only."""
        try:
            frozen = from_batches(recorded.seen, taken_from)
        except ValueError as error:
            self.problem = f"what {taken_from} was given cannot be kept: {what(error)}"
            return
        _remember(self._evaluated if taken_from == "evaluate" else self._validated, model, frozen)

    def sampled(self, model: Any, x: Any) -> None:  # noqa: ANN401 Keras' arguments
        """Remember a few rows of what a model takes: of subclassed ones nothing else tells the kind of numbers."""
        try:
            batches = batches_of(x, 1)
            first = x if batches is None else next(batches)
            first = first[0] if batches is not None and isinstance(first, list | tuple) else first
            rows = mapped(lambda leaf: leaf[:ROWS_SAMPLED], first)
            if all(hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves(rows)):
                _remember(self._samples, model, rows)
        except Exception as error:  # noqa: BLE001 data of any kind; it is Keras that refuses it
            self.problem = what(error)

    def dataset(self, model: Any) -> Frozen | None:  # noqa: ANN401 a Keras model
        """The newest set that evaluate was given, this model's own before others'; else the newest that fit was given."""
        return _newest(self._evaluated, model) or _newest(self._validated, model)

    def sample(self, model: Any) -> Nested | None:  # noqa: ANN401 a Keras model
        return next((rows for known, rows in reversed(self._samples) if known is model), None)

    def history(self, model: Any) -> dict[str, list[float | None]]:  # noqa: ANN401 a Keras model
        return next((history for known, history in self._histories if known is model), {})


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remember(where: list[tuple[Any, Any]], model: Any, value: Any) -> None:  # noqa: ANN401 any model and value
    where[:] = [(known, kept) for known, kept in where if known is not model][1 - MODELS_REMEMBERED :]
    where.append((model, value))


def _newest(where: list[tuple[Any, Frozen]], model: Any) -> Frozen | None:  # noqa: ANN401 a Keras model
    own = [frozen for known, frozen in where if known is model]
    every = own or [frozen for _, frozen in where]
    return every[-1] if every else None
