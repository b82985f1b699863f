"""model.h5 run by TensorFlow in a child process, behind the same interface as a LiteRT program.

For models that have no form in LiteRT's builtin operators. The child is started again when it ends, with a growing pause; until
then the engine says its problem, and nobody waits.
"""

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pushline.engine.engine import (
    Accepts,
    Array,
    BadInput,
    BadProgram,
    EngineError,
    EngineUnavailable,
    Form,
    RefusedInput,
    Signature,
)
from pushline.engine.inputs import blank, check_inputs
from pushline.engine.tensorflow_process import Child, Limits

LARGEST_BATCH = 256  # rows given at once
WARM_UP_ROWS = 32
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
CALM_SECONDS = 60.0  # a child that lived so long starts the pauses anew


@dataclass(frozen=True, slots=True)
class TensorFlow:
    """Opens models by the interpreter `python`, which has TensorFlow."""

    python: Path
    limits: Limits = field(default_factory=Limits)

    def open(self, path: Path) -> "TensorFlowEngine":
        """Give it loaded. The file stays where it is for as long as the engine lives. Raises BadProgram, EngineUnavailable."""
        engine = TensorFlowEngine(self.python, path, self.limits)
        try:
            engine.start()
        except EngineError:
            engine.close()
            raise
        return engine


class TensorFlowEngine:
    """One child, one request at a time. A thread keeps it for as long as the engine lives; the kernel ends it with that thread."""

    kind, waits, at_once = "tensorflow", True, 1
    forms: tuple[Form, ...] = ()

    def __init__(self, python: Path, path: Path, limits: Limits) -> None:
        self._python, self._path, self._limits = python, path, limits
        self._digest = _digest(path)
        self._signature: Signature | None = None
        self._started: Child | None = None  # perhaps not loaded yet
        self._child: Child | None = None  # that answers
        self._failure: EngineError | None = None
        self._problem = "it is not loaded yet"
        self._turn = threading.Lock()  # one request at a time
        self._settled, self._closing = threading.Event(), threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="tensorflow", daemon=True)

    def start(self) -> None:
        """Raises BadProgram, EngineUnavailable."""
        self._keeper.start()
        self._settled.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def signature(self) -> Signature:
        if self._signature is None:
            raise EngineUnavailable(self._problem)
        return self._signature

    @property
    def problem(self) -> str:
        return self._problem

    @property
    def pid(self) -> int:
        """Of the child; 0 where there is none."""
        child = self._child
        return child.pid if child else 0

    def run(self, inputs: Mapping[str, Array], accepts: Accepts | None = None) -> dict[str, Array]:
        rows = check_inputs(self.signature, inputs)
        for name, values in inputs.items():
            if accepts is not None and not accepts(name, values):
                raise RefusedInput(name)
        parts = [
            self._run_part({name: value[at : at + LARGEST_BATCH] for name, value in inputs.items()})
            for at in range(0, rows, LARGEST_BATCH)
        ]
        return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def warm_up(self, at_once: int = 1) -> None:  # noqa: ARG002 - it answers one request at a time
        for rows in (1, WARM_UP_ROWS):
            self.run({spec.name: blank(spec, rows) for spec in self.signature.inputs})

    def close(self) -> None:
        self._closing.set()
        started = self._started
        if started is not None:
            started.kill()
        if self._keeper.is_alive():
            self._keeper.join()

    def _run_part(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if not self._turn.acquire(timeout=self._limits.run_seconds):
            raise EngineUnavailable("other requests took all the time there is for one")
        try:
            child = self._child
            if self._closing.is_set():
                raise BadInput("", "the model was closed")
            if child is None:
                raise EngineUnavailable(self._problem)
            return self._ask(child, inputs)
        finally:
            self._turn.release()

    def _ask(self, child: Child, inputs: Mapping[str, Array]) -> dict[str, Array]:
        try:
            return child.run(inputs, self.signature)
        except EngineUnavailable as error:
            self._problem, self._child = f"{error}; it is started again", None
            child.kill()
            raise

    def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                self._live()
            except (EngineError, OSError) as error:
                self._problem = str(error)
                if not self._settled.is_set():
                    self._failure = error if isinstance(error, EngineError) else EngineUnavailable(str(error))
                    self._settled.set()
                    return
            if time.monotonic() - began > CALM_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._closing.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _live(self) -> None:
        """One child, from its start to its end. Raises BadProgram, EngineUnavailable where it does not come so far."""
        if _digest(self._path) != self._digest:
            raise BadProgram(f"{self._path.name} is not the file any more that was loaded first")
        child = self._started = Child(self._python, self._limits)
        try:
            if self._closing.is_set():
                return
            child.await_ready()
            signature = child.load(self._path)
            if self._signature not in (None, signature):
                raise BadProgram("model.h5 has another signature than when it was loaded first")
            self._signature = signature
            self._serve(child)
        finally:
            with self._turn:
                self._child = None
            child.end()

    def _serve(self, child: Child) -> None:
        self._child, self._problem = child, ""
        self._settled.set()
        child.wait()
        self._problem = self._problem or f"the model's TensorFlow process ended ({child.exit}); it is started again"
        self._child = None


def _digest(path: Path) -> str:
    """Raises BadProgram."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadProgram(f"{path.name} cannot be read: {error.strerror or error}") from error
