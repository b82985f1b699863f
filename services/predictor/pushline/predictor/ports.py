"""What the predictor asks of its tools, as promises."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from pushline.engine.engine import Engine
from pushline.line.codec import Entry
from pushline.line.events import ModelDeployed
from pushline.predictor.prepared import ModelFiles, Prepared
from pushline.predictor.serving import Identity, Loaded

Files = Sequence[tuple[Path, int | None]]  # verified, and each program's batch; None: any
OpenPrograms = Callable[[Files], Engine]  # raises BadProgram
OpenModel = Callable[[Path], Engine]  # a model.h5; raises BadProgram, EngineUnavailable
CheckProgram = Callable[[Path], None]  # raises BadProgram
Needs = Callable[[str, Files], int]  # bytes of memory, by the engine's kind; raises BadProgram, OSError
Deployment = Entry[ModelDeployed]


Live = Callable[[str], Loaded | None]  # what a model is served by at the moment


class Prepare(Protocol):
    """Everything about a new model that costs, before it is opened to serve. Calls about one model come one after the other."""

    def prepare(self, wanted: ModelFiles, /) -> Prepared:
        """Fetch what is not on this disk, verify and check it. Raises LoadError."""
        ...

    def try_out(self, prepared: Prepared, /) -> None:
        """Let it answer where nobody is served; the memory that it needs is there. Raises LoadError."""
        ...

    def rest(self) -> None:
        """Give back what nobody needed for a while. Called now and then."""
        ...

    def close(self) -> None: ...


class Room(Protocol):
    """The memory that models are loaded into."""

    def held(self, needed: Callable[[], int]) -> AbstractContextManager[None]:
        """Keep so many bytes for what is loaded meanwhile. Raises LoadRefused where they are not there; and as `needed` does."""
        ...

    def ease(self) -> None:
        """Give back what is kept in spite of nobody using it, where memory runs short. Called now and then."""
        ...


class Copies(Protocol):
    """A replica's own disk: the record that each model follows, the one before it, and their files under their digests."""

    def file(self, model: str, sha256: str) -> Path | None:
        """Give a file whose bytes were just verified; None where it is missing or damaged."""
        ...

    def place(self, model: str, sha256: str) -> Path:
        """Give where such a file is to be put, in one step. Raises OSError."""
        ...

    def keep(self, deployment: Deployment, needed_bytes: int | None = None) -> None:
        """Follow this record from now on, a restart included; its files are in place. Raises OSError: nothing changed.

        `needed_bytes` is the memory that it needs; None: as much as what was followed last with the same files.
        """
        ...

    def needed(self, deployment: Deployment) -> int | None:
        """Give the memory that the files of a followed record need, where that was noted."""
        ...

    def prune(self, model: str) -> None:
        """Drop the files that neither the followed record nor the one before it names."""
        ...

    def followed(self) -> Sequence[Deployment]:
        """Give the record that each model follows; a state file that is damaged is no state."""
        ...


class Crew(Protocol):
    """The other processes that answer at the same ports. Never raises."""

    def prepare(self, deployment: Deployment, seconds: float) -> None:
        """Have each load it from this disk, and wait for them; who cannot is ended. `seconds` is what it took this process."""
        ...

    def swap(self, deployment: Deployment) -> None:
        """Have each serve it, as the caller does next. It was prepared, or none was started yet."""
        ...

    def drop_spare(self) -> None:
        """Have each give back what it keeps open and nobody uses."""
        ...

    def tell(self, sure: Mapping[str, bool], *, log_read: bool) -> None:
        """Say of each model whether it is sure that the newest deployment is served. Told at every look."""
        ...


class Watch(Protocol):
    """Is told what the reload loop does. Never raises, never blocks for long."""

    def swapped(self, identity: Identity, seconds: float, swap_seconds: float) -> None: ...

    def load_failed(self, deployment: Deployment, reason: str, sentence: str) -> None: ...

    def stale(self, model: str, why: str) -> None:
        """Told at every look; `why` is empty where the replica is sure."""
        ...

    def can_answer(self, model: str, problem: str) -> None:
        """Told of each loaded model at every look; `problem` is empty where it can."""
        ...

    def missing(self, model: str) -> None:
        """Told of each model that is known and not loaded, at every look."""
        ...

    def ready(self, ready: bool, sentence: str) -> None: ...
