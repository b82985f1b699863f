"""The model behind one small interface. litert.py implements it for a serving program, tensorflow.py for model.h5.

An Engine is loaded from files that were verified before; it is safe to call from many threads at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Accepts = Callable[[str, Array], bool]  # an input's name and values
DYNAMIC = -1
Form = tuple[tuple[str, np.dtype[np.generic], tuple[int, ...]], ...]  # name, dtype and shape of each input, rows included
TEXT = "object"  # a dtype: each value is a text, of the type bytes


class EngineError(Exception):
    """Root of the errors of this package."""


class BadProgram(EngineError):
    """The file is not a program that may be opened: no flatbuffer, not builtin ops only, too large, will not load."""


class EngineUnavailable(EngineError):
    """What runs the model is not there now, or not on this machine; nothing is known about the model. Try again later."""


class BadInput(EngineError):
    """The caller's tensors do not fit the program. `field` names the input, or is empty for the request as a whole."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field, self.problem = field, problem


class RefusedInput(EngineError):
    """The caller's own `accepts` said no to this input."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: refused")
        self.field = field


@dataclass(frozen=True, slots=True)
class TensorSpec:
    name: str
    dtype: str  # NumPy's name; of inputs TEXT too
    shape: tuple[int, ...]  # DYNAMIC where open; the first dimension is the batch


@dataclass(frozen=True, slots=True)
class Signature:
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Engine(Protocol):
    @property
    def signature(self) -> Signature: ...

    @property
    def kind(self) -> str:
        """Litert | tensorflow."""
        ...

    @property
    def waits(self) -> bool:
        """Say whether a run waits for another process."""
        ...

    @property
    def problem(self) -> str:
        """Say why it cannot answer at this moment; empty where it can."""
        ...

    def run(self, inputs: Mapping[str, Array], accepts: Accepts | None = None) -> dict[str, Array]:
        """Answer a batch: each input (batch, …) in the signature's dtype, C-contiguous; each output (batch, …).

        Inputs need not be aligned: they are copied once. `accepts` is asked of each input, in parts where rows are split, where it
        lies best for looking at all of it; it must neither keep what it is shown nor raise. Rows are answered in order and
        independent of each other. Raises BadInput, RefusedInput, BadProgram, EngineUnavailable; never changes its arguments; the
        outputs are the caller's own.
        """
        ...

    @property
    def forms(self) -> tuple[Form, ...]:
        """Give the forms of inputs that it answered lately, where it remembers them."""
        ...

    @property
    def at_once(self) -> int:
        """Say how many runs it is ready for at the same time."""
        ...

    def warm_up(self, at_once: int = 1) -> None:
        """Be ready for so many runs at the same time, by one row and a larger batch of zeros. Call it before any other run."""
        ...

    def close(self) -> None:
        """Free what is held. The caller sees to it that no run is under way."""
        ...
