"""How a Keras model is called: its inputs, by name and in the nesting that it expects, and the names of its outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .freeze import Frozen, Nested, leaves, mapped
from .result import Failed

TEXT = "string"  # Keras' name of the dtype


@dataclass(frozen=True)
class Input:
    name: str
    dtype: str
    shape: tuple[int | None, ...]  # the first one, the batch, is None


@dataclass(frozen=True)
class Interface:
    inputs: tuple[Input, ...]  # in the order of the nesting's leaves
    nesting: Nested  # its leaves are positions in inputs
    positional: bool = False  # the nesting is a list of arguments, not one argument

    def call(self, model: Any, tensors: Sequence[Any]) -> Any:  # noqa: ANN401 Keras'
        given = mapped(lambda position: tensors[position], self.nesting)
        return model(*given, training=False) if self.positional else model(given, training=False)


def interface_of(model: Any, sample: Nested | None, keras: Any) -> Interface:  # noqa: ANN401 Keras'
    """`sample` is a row that the model was given, where one was seen. Raises Failed where nothing says what the model takes."""
    if isinstance(model, keras.Sequential) and model.built and getattr(model, "inputs", None):
        return _of_tensors(model.inputs[0])
    if hasattr(model, "_inputs_struct"):
        return _of_tensors(model._inputs_struct)  # noqa: SLF001 `inputs` is flat: the nesting is nowhere else
    if sample is not None:
        return _of_sample(model, sample)
    return _of_shapes(model)


def output_names(model: Any, answer: Nested) -> list[str]:  # noqa: ANN401 Keras'
    if isinstance(answer, dict):
        return [str(key) for key in sorted(answer)]
    functional = getattr(model, "_functional", None) or model  # a Sequential keeps its names there
    names = list(getattr(functional, "output_names", None) or [])
    count = len(leaves(answer))
    return [str(name) for name in names] if len(set(names)) == count else [f"output_{number}" for number in range(count)]


def named(frozen: Frozen, interface: Interface) -> dict[str, Any]:
    """The frozen inputs by the names and in the dtypes of the interface. Raises ValueError where they are others."""
    x = frozen.x
    names = [each.name for each in interface.inputs]
    arrays = [x[name] for name in names] if isinstance(x, dict) and set(names) <= set(x) else leaves(x)
    if len(arrays) != len(names):
        raise ValueError(f"it has {len(arrays)} inputs, the model takes {', '.join(names)}")
    return {each.name: _fitted(array, each) for array, each in zip(arrays, interface.inputs, strict=True)}


def _fitted(array: Any, each: Input) -> Any:  # noqa: ANN401 an array
    if array.ndim == len(each.shape) - 1:
        array = array[..., None]  # as Keras does
    if array.ndim == len(each.shape) + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != len(each.shape) or any(want not in (None, got) for want, got in zip(each.shape, array.shape, strict=True)):
        raise ValueError(f"{each.name} has the shape {list(array.shape)}, the model takes {list(each.shape)}")
    if (each.dtype == TEXT) != (array.dtype.kind == "S"):
        raise ValueError(f"{each.name} holds {array.dtype}, the model takes {each.dtype}")
    return array if each.dtype == TEXT else array.astype(each.dtype)


def _of_tensors(tensors: Nested) -> Interface:
    nesting, flat = _numbered(tensors)
    paths = _paths(tensors, "")
    inputs = tuple(
        Input(path or _own_name(tensor), str(tensor.dtype), (None, *tuple(tensor.shape)[1:]))
        for path, tensor in zip(paths, flat, strict=True)
    )
    return Interface(_unique(inputs), nesting)


def _own_name(tensor: Any) -> str:  # noqa: ANN401 a KerasTensor
    """What the script called it; a name that Keras made up for a tensor counts up with everything else that the script does."""
    name = str(tensor.name or "")
    return "x" if name.startswith("keras_tensor") else name


def _of_sample(model: Any, sample: Nested) -> Interface:  # noqa: ANN401 Keras'
    nesting, flat = _numbered(sample)
    inputs = tuple(
        Input(path, _taken_dtype(model, str(leaf.dtype)), (None, *tuple(leaf.shape)[1:]))
        for path, leaf in zip(_paths_or_x(sample), flat, strict=True)
    )
    return Interface(inputs, nesting)


def _of_shapes(model: Any) -> Interface:  # noqa: ANN401 Keras'
    shapes = getattr(model, "_build_shapes_dict", None)
    if not model.built or not shapes:
        raise Failed("not_servable", "the model was never called in the script, so that nothing says what it takes")
    if len(shapes) == 1:
        return _of_nested_shapes(next(iter(shapes.values())), str(model.input_dtype), positional=False)
    arguments = {str(name).removesuffix("_shape"): shape for name, shape in shapes.items()}
    flat = [Input(name, str(model.input_dtype), (None, *tuple(shape)[1:])) for name, shape in arguments.items()]
    return Interface(tuple(flat), list(range(len(flat))), positional=True)


def _of_nested_shapes(shapes: Nested, dtype: str, positional: bool) -> Interface:
    nested = _wrapped(shapes)
    nesting, flat = _numbered(nested)
    inputs = [Input(path, dtype, (None, *leaf.sizes[1:])) for path, leaf in zip(_paths_or_x(nested), flat, strict=True)]
    return Interface(tuple(inputs), nesting, positional)


@dataclass(frozen=True)
class _Shape:
    sizes: tuple[int | None, ...]


def _wrapped(shapes: Nested) -> Nested:
    """A shape is a tuple itself: as an object of its own it is a leaf."""
    if isinstance(shapes, dict):
        return {key: _wrapped(part) for key, part in shapes.items()}
    if all(size is None or isinstance(size, int) for size in shapes):
        return _Shape(tuple(shapes))
    return [_wrapped(part) for part in shapes]


def _taken_dtype(model: Any, dtype: str) -> str:  # noqa: ANN401 Keras'
    """Keras casts whatever floats it is given to the model's own."""
    if dtype.startswith(("|S", "<U", "<dtype: 'string", "object")):
        return TEXT
    return "float32" if dtype.startswith(("float", "<dtype: 'float")) or dtype == str(model.input_dtype) else dtype


def _numbered(nested: Nested) -> tuple[Nested, list[Any]]:
    flat = leaves(nested)
    positions = iter(range(len(flat)))
    if not isinstance(nested, dict):
        return mapped(lambda _: next(positions), nested), flat
    return {key: mapped(lambda _: next(positions), nested[key]) for key in sorted(nested)}, flat


def _paths(nested: Nested, path: str) -> list[str]:
    """For each leaf the keys that lead to it, empty where none does."""
    if isinstance(nested, dict):
        return [each for key in sorted(nested) for each in _paths(nested[key], f"{path}.{key}" if path else str(key))]
    if isinstance(nested, list | tuple):
        return [each for part in nested for each in _paths(part, path)]
    return [path]


def _paths_or_x(nested: Nested) -> list[str]:
    paths = _paths(nested, "")
    if len(paths) == 1:
        return [paths[0] or "x"]
    return [path if path and paths.count(path) == 1 else f"{path or 'x'}_{number}" for number, path in enumerate(paths)]


def _unique(inputs: tuple[Input, ...]) -> tuple[Input, ...]:
    names = [each.name for each in inputs]
    if len(set(names)) == len(names):
        return inputs
    return tuple(Input(f"{each.name}_{number}", each.dtype, each.shape) for number, each in enumerate(inputs))
