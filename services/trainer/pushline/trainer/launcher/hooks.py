"""What autolog does elsewhere: once the script imported Keras, its models' fit, evaluate and save also tell the Watch.

Every call goes on to Keras with the script's own arguments, but for one more callback; a generator is copied as it is read.
"""

import functools
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Generator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from . import noise
from .freeze import Recorded, batches_of
from .watch import Watch

Call = Callable[..., Any]
WATCHED = ("tensorflow", "keras")


class AfterImport(MetaPathFinder):
    """Imports TensorFlow and Keras with their noise held back, and calls `then` with Keras."""

    def __init__(self, then: Callable[[ModuleType], None]) -> None:
        self._then = then
        self._looking: set[str] = set()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        del path, target
        if name not in WATCHED or name in self._looking:
            return None
        self._looking.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looking.discard(name)
        if spec is not None and spec.loader is not None:
            self._wrap(spec.loader)
        return spec

    def _wrap(self, loader: Any) -> None:  # noqa: ANN401 its exec_module is replaced
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            with noise.held_back():
                load(module)
                if module.__name__ == "keras":
                    self._then(module)

        loader.exec_module = exec_module


def hook(keras: Any, watch: Watch) -> None:  # noqa: ANN401 the module
    noise.quieten_absl()
    keras.Model.fit = _fit(keras.Model.fit, watch, keras)
    keras.Model.evaluate = _evaluate(keras.Model.evaluate, watch)
    _replace(keras.saving.save_model, _save_model(keras.saving.save_model, watch))
    _replace(keras.utils.set_random_seed, _set_random_seed(keras.utils.set_random_seed, watch))


def _replace(original: Call, by: Call) -> None:
    """In every module that took it by name."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "keras":
            for attribute, value in list(vars(module).items()):
                if value is original:
                    setattr(module, attribute, by)


def _set_random_seed(original: Call, watch: Watch) -> Call:
    @functools.wraps(original)
    def set_random_seed(seed: int) -> Any:  # noqa: ANN401 Keras'
        answer = original(seed)
        watch.seeded("keras", int(seed))
        return answer

    return set_random_seed


def _save_model(original: Call, watch: Watch) -> Call:
    @functools.wraps(original)
    def save_model(model: Any, filepath: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 Keras'
        answer = original(model, filepath, *arguments, **named)
        if isinstance(filepath, str | Path):
            watch.saved(model, Path(os.path.abspath(filepath)))  # noqa: PTH100 links stay as they are
        return answer

    return save_model


def _evaluate(original: Call, watch: Watch) -> Call:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def evaluate(self: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 Keras'
        if "_use_cached_eval_dataset" in named:  # fit's own, at the end of an epoch
            return original(self, *arguments, **named)
        given = signature.bind_partial(self, *arguments, **named).arguments
        x, y = given.get("x"), given.get("y")
        if isinstance(x, Generator):
            recorded = Recorded(x)
            given["x"] = recorded.batches()
            named = {**given.pop("kwargs", {}), **{key: value for key, value in given.items() if key != "self"}}
            answer = original(self, **named)
            watch.recorded(self, recorded, "evaluate")
        else:
            watch.sampled(self, x)
            watch.given(self, x, y, "evaluate", given.get("steps"))
            answer = original(self, *arguments, **named)
        watch.evaluated(self.get_metrics_result())
        return answer

    return evaluate


def _fit(original: Call, watch: Watch, keras: Any) -> Call:  # noqa: ANN401 the module
    signature = inspect.signature(original)

    @functools.wraps(original)
    def fit(self: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 Keras'
        bound = signature.bind_partial(self, *arguments, **named).arguments
        given = {key: value for key, value in bound.items() if key != "self"}
        epochs = given.get("epochs", 1)
        if isinstance(given.get("x"), Generator):
            steps = given.get("steps_per_epoch")
            given["x"] = watch.trained.passing(given["x"], lambda inputs: watch.sampled(self, inputs), steps)
        else:
            watch.sampled(self, given.get("x"))
            watch.trained.given(*_training_part(given))
        _keep_validation(self, given, watch)
        watch.fit_started(self, int(epochs))
        given["callbacks"] = _with(given.get("callbacks"), _reporter(keras, self, epochs, watch))
        return original(self, **given)

    return fit


def _reporter(keras: Any, model: Any, epochs: int, watch: Watch) -> Any:  # noqa: ANN401 Keras'
    def tell(epoch: int, logs: Any) -> None:  # noqa: ANN401 Keras'
        watch.epoch_ended(model, epoch + 1, epochs, logs)

    return keras.callbacks.LambdaCallback(on_epoch_end=tell)


def _with(callbacks: Any, one_more: Any) -> Any:  # noqa: ANN401 Keras takes one, several, or a list object of its own
    if callbacks is None:
        return [one_more]
    if isinstance(callbacks, list | tuple):
        return [*callbacks, one_more]
    if hasattr(callbacks, "append"):
        callbacks.append(one_more)
        return callbacks
    return [callbacks, one_more]


def _training_part(given: dict[str, Any]) -> tuple[Any, int | None]:
    """What is left of x without the share that fit holds back, and how many batches of it are taken in all."""
    x, share, steps = given.get("x"), given.get("validation_split") or 0.0, given.get("steps_per_epoch")
    if share and batches_of(x, 0) is None:
        split = _split(given, share)
        x = split[0][0] if split else x
    return x, int(steps) * int(given.get("epochs", 1)) if steps else None


def _split(given: dict[str, Any], share: float) -> Any:  # noqa: ANN401 Keras' own pairs
    from keras.src.trainers.data_adapters import array_slicing  # noqa: PLC0415 Keras' own split, there once Keras is

    try:
        return array_slicing.train_validation_split((given.get("x"), given.get("y")), validation_split=share)
    except ValueError:
        return None  # Keras refuses it in a moment


def _keep_validation(model: Any, given: dict[str, Any], watch: Watch) -> None:  # noqa: ANN401 a Keras model
    validation = given.get("validation_data")
    share = given.get("validation_split") or 0.0
    if isinstance(validation, Generator):
        return  # read by Keras alone; evaluate is the way to have it judged by
    if isinstance(validation, list | tuple) and len(validation) > 1:
        watch.given(model, validation[0], validation[1], "validation_data")
    elif validation is not None:
        watch.given(model, validation, None, "validation_data", given.get("validation_steps"))
    elif share:
        _keep_split(model, given, share, watch)


def _keep_split(model: Any, given: dict[str, Any], share: float, watch: Watch) -> None:  # noqa: ANN401 a Keras model
    split = _split(given, share)
    if split:
        x, y = split[1]
        watch.given(model, x, y, "validation_split")
