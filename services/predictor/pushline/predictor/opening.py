"""A model's engine, opened and warm in the process that serves, and what may go wrong with that in the loader's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pushline.engine.engine import BadProgram, Engine, EngineError, EngineUnavailable, Signature
from pushline.predictor.errors import LoadError, LoadPostponed, LoadRefused
from pushline.predictor.model_files import NO_TENSORFLOW
from pushline.predictor.ports import OpenModel, OpenPrograms
from pushline.predictor.prepared import Prepared
from pushline.predictor.serving import Identity, Loaded
from pushline.predictor.tensors import DTYPES
from pushline.predictor.warming import make_steady

WHAT = {"litert": "the serving program", "tensorflow": "the model"}


@dataclass(frozen=True, slots=True)
class Opening:
    programs: OpenPrograms
    model: OpenModel | None = None  # None: there is no TensorFlow here

    def __call__(self, prepared: Prepared, identity: Identity, live: Loaded | None) -> Loaded:
        """Give it ready for what the live one answers now, as quick at the first request as later. Raises LoadError."""
        with named_problems(prepared.engine):
            loaded = Loaded(identity, self._opened(prepared), prepared.task, prepared.labels, prepared.from_logits)
            try:
                warm(loaded.engine, live.engine.at_once if live else 1)
                make_steady(loaded.engine, loaded.pace, live.engine.forms if live else ())
            except (EngineError, LoadError, MemoryError, OSError):
                loaded.engine.close()
                raise
        return loaded

    def _opened(self, prepared: Prepared) -> Engine:
        if prepared.engine == "litert":
            return self.programs(prepared.files)
        if self.model is None:
            raise LoadRefused("no_tensorflow", NO_TENSORFLOW)
        return self.model(prepared.files[0][0])


def warm(engine: Engine, at_once: int = 1) -> None:
    """Raises EngineError, LoadRefused, MemoryError, OSError."""
    _check_dtypes(engine.signature)
    try:
        engine.warm_up(at_once)
    except (BadProgram, EngineUnavailable):
        raise
    except EngineError as error:
        raise LoadRefused("warm_up", f"{WHAT[engine.kind]} does not answer: {error}") from error


@contextmanager
def named_problems(kind: str) -> Iterator[None]:
    """Raise as a LoadError what an engine, its file or this machine is at fault for."""
    what = WHAT[kind]
    try:
        yield
    except BadProgram as error:
        raise LoadRefused("bad_program", f"{what} cannot be opened: {error}") from error
    except EngineUnavailable as error:
        raise LoadPostponed("engine", str(error)) from error
    except (MemoryError, OSError) as error:
        raise LoadPostponed("resources", f"this machine could not load {what}: {error}") from error


def _check_dtypes(signature: Signature) -> None:
    for spec in (*signature.inputs, *signature.outputs):
        if spec.dtype not in DTYPES:
            raise BadProgram(f"{spec.name} is of type {spec.dtype}, which no door can carry")
