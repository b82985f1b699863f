"""From a checked file to a function with a fixed signature. TensorFlow and Keras are imported by then."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import allowed
from .frames import DTYPES
from .preflight import Refused, inspect
from .shared import Array
from .texts import TEXT

DYNAMIC = -1
MADE_UP = ("keras_tensor", "input_layer")  # names that Keras counts up
PROVED_ROWS = (1, 3)
Nested = Any  # a tensor, or a dict, list or tuple of Nested


class Failed(Exception):
    """These rows cannot be answered."""


class Model:
    """Raises Refused where the file is not to be opened or does not load."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        found = inspect(path, max_bytes)
        allowed.check(found.config, found.values)
        try:
            _count(found.config, found.values)
            self._model = _load(path)
            self.inputs = _inputs(self._model)
            self._function, self.outputs = _function(self._model, self.inputs)
        except Refused:
            raise
        except Exception as error:
            raise Refused(f"cannot be loaded by Keras: {_what(error)}") from error
        for rows in PROVED_ROWS:
            self._prove(rows)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Raises Failed."""
        import tensorflow as tf  # noqa: PLC0415 imported long before

        try:
            answers = self._function(*(tf.constant(inputs[each["name"]]) for each in self.inputs))
            return {each["name"]: np.asarray(answer) for each, answer in zip(self.outputs, answers, strict=True)}
        except Exception as error:
            raise Failed(_what(error)) from error

    def _prove(self, rows: int) -> None:
        """Every answer has a row for each row asked."""
        zeros = {
            each["name"]: _nothing([rows, *(max(size, 1) for size in each["shape"][1:])], each["dtype"]) for each in self.inputs
        }
        try:
            answers = self.run(zeros)
        except Failed as error:
            raise Refused(f"does not answer {rows} rows of zeros: {error}") from error
        for name, answer in answers.items():
            if answer.ndim == 0 or len(answer) != rows:
                raise Refused(f"answers {rows} rows with {name} of the shape {list(answer.shape)}")


def _nothing(shape: Sequence[int], dtype: str) -> Array:
    return np.full(shape, b"", object) if dtype == TEXT else np.zeros(shape, dtype)


def _count(config: dict[str, Any], values: int) -> None:
    """Build the model without a single weight in memory, to see that it has no more of them than the file holds."""
    from keras.src.backend.common.stateless_scope import StatelessScope  # noqa: PLC0415 no public name for it
    from keras.src.legacy.saving import saving_options, saving_utils  # noqa: PLC0415 load_model's own way for HDF5
    from keras.src.saving.serialization_lib import SafeModeScope  # noqa: PLC0415 likewise

    with saving_options.keras_option_scope(use_legacy_config=True), SafeModeScope(True), StatelessScope(initialize_variables=False):
        model = saving_utils.model_from_config(config)
        wanted = sum(math.prod(weight.shape) for weight in model.weights)
    if wanted > values:
        raise Refused(f"describes a model of {wanted} weights in its model_config, and holds {values}")


def _load(path: Path) -> Any:  # noqa: ANN401 a Keras model
    """What keras.saving.load_model does with a name that ends in .h5; files in a cache are named by their digest."""
    from keras.src.legacy.saving.legacy_h5_format import load_model_from_hdf5  # noqa: PLC0415 imported long before

    return load_model_from_hdf5(str(path), compile=False, safe_mode=True)


def _inputs(model: Any) -> list[dict[str, Any]]:  # noqa: ANN401 a Keras model
    """Name, dtype and shape of each input, in the order of the nesting's leaves."""
    structure = _structure(model)
    names = [name if name and not name.startswith(MADE_UP) else "x" for name in _names(structure, "")]
    if len(set(names)) < len(names):
        names = [f"{name}_{number}" for number, name in enumerate(names)]
    return [_spec(name, tensor.dtype, tensor.shape, {*DTYPES, TEXT}) for name, tensor in zip(names, leaves(structure), strict=True)]


def _structure(model: Any) -> Nested:  # noqa: ANN401 a Keras model
    functional = getattr(model, "_functional", None) or model  # a Sequential keeps its own there
    if not getattr(functional, "inputs", None):
        raise Refused("does not say what the model takes")
    return functional._inputs_struct  # noqa: SLF001 `inputs` is flat: the nesting is nowhere else


def _spec(name: str, dtype: str, shape: Any, known: Collection[str] = DTYPES) -> dict[str, Any]:  # noqa: ANN401 Keras'
    if str(dtype) not in known:
        raise Refused(f"takes or gives {name} as {dtype}, which is no numbers")
    return {"name": name, "dtype": str(dtype), "shape": [DYNAMIC, *(DYNAMIC if size is None else int(size) for size in shape[1:])]}


def _function(model: Any, inputs: list[dict[str, Any]]) -> tuple[Any, list[dict[str, Any]]]:  # noqa: ANN401 Keras' and TensorFlow's
    import tensorflow as tf  # noqa: PLC0415 imported long before

    structure = _structure(model)
    names: list[str] = []

    def flat(*tensors: Any) -> list[Any]:  # noqa: ANN401 TensorFlow's
        given = iter(tensors)
        answer = model(_rebuilt(structure, given), training=False)
        names[:] = _output_names(model, answer)
        return [tf.convert_to_tensor(leaf) for leaf in leaves(answer)]

    specs = [tf.TensorSpec([None if size == DYNAMIC else size for size in each["shape"]], each["dtype"]) for each in inputs]
    function = tf.function(flat, autograph=False).get_concrete_function(*specs)
    answers = [_spec(name, answer.dtype.name, list(answer.shape)) for name, answer in zip(names, function.outputs, strict=True)]
    return function, answers


def _rebuilt(structure: Nested, tensors: Any) -> Nested:  # noqa: ANN401 an iterator
    if isinstance(structure, dict):
        flat = {key: _rebuilt(structure[key], tensors) for key in sorted(structure)}
        return {key: flat[key] for key in structure}
    if isinstance(structure, list | tuple):
        return [_rebuilt(part, tensors) for part in structure]
    return next(tensors)


def leaves(nested: Nested) -> list[Any]:
    """In the order in which Keras and TensorFlow flatten: dictionaries by sorted key."""
    if isinstance(nested, dict):
        return [leaf for key in sorted(nested) for leaf in leaves(nested[key])]
    if isinstance(nested, list | tuple):
        return [leaf for part in nested for leaf in leaves(part)]
    return [nested]


def _names(nested: Nested, path: str) -> list[str]:
    """For each leaf the keys that lead to it, else its own name."""
    if isinstance(nested, dict):
        return [name for key in sorted(nested) for name in _names(nested[key], f"{path}.{key}" if path else str(key))]
    if isinstance(nested, list | tuple):
        return [name for part in nested for name in _names(part, path)]
    return [path or str(nested.name or "")]


def _output_names(model: Any, answer: Nested) -> list[str]:  # noqa: ANN401 a Keras model
    if isinstance(answer, dict):
        return [str(key) for key in sorted(answer)]
    functional = getattr(model, "_functional", None) or model
    names = [str(name) for name in getattr(functional, "output_names", None) or []]
    count = len(leaves(answer))
    return names if len(set(names)) == count else [f"output_{number}" for number in range(count)]


def _what(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]
