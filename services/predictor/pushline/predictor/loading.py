"""How this predictor loads models: the tools of on_deployed.py, put together for the first process and for the others."""

from collections.abc import Callable
from functools import partial

from pushline.predictor.adapters.disk_cache import DiskCache
from pushline.predictor.adapters.litert_programs import needs, open_programs
from pushline.predictor.adapters.memory import memory
from pushline.predictor.adapters.tensorflow_models import open_model
from pushline.predictor.errors import LoadPostponed
from pushline.predictor.model_files import Bounds
from pushline.predictor.on_deployed import OnDeployed
from pushline.predictor.opening import Opening
from pushline.predictor.ports import Deployment, Prepare, Room
from pushline.predictor.prepared import ModelFiles, Prepared
from pushline.predictor.residents import Residents
from pushline.predictor.room import MemoryRoom
from pushline.predictor.serving import Loaded
from pushline.predictor.settings import ServingSettings, Settings


def from_line(settings: Settings, prepare: Prepare, residents: Residents) -> OnDeployed:
    """For the first process: it has models prepared, and sees to it that there is memory for all."""
    return _tools(settings, prepare, MemoryRoom(memory(settings.memory_bytes), processes=settings.workers), residents)


def from_disk(settings: ServingSettings, residents: Residents) -> Callable[[Deployment], Loaded]:
    """For the others: files that the first process has on the disk, and memory that it has found."""
    return _tools(settings, Nowhere(), MemoryRoom(lambda: None), residents).from_disk


def bounds(settings: ServingSettings) -> Bounds:
    return Bounds(settings.max_program_bytes, has_tensorflow=settings.tensorflow.python is not None)


class Nowhere:
    """Implements Prepare where nothing is fetched."""

    def prepare(self, wanted: ModelFiles) -> Prepared:
        raise LoadPostponed("cache", f"{wanted.model} is not on this disk, and this process fetches nothing")

    def try_out(self, prepared: Prepared) -> None:
        """What is on the disk was tried."""

    def rest(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Likewise."""


def _tools(settings: ServingSettings, prepare: Prepare, room: Room, residents: Residents) -> OnDeployed:
    opening = Opening(open_programs, open_model(settings.tensorflow, settings.max_program_bytes))
    needed = partial(needs, threads=settings.door.threads)
    return OnDeployed(prepare, DiskCache(settings.cache), room, opening, needed, residents, bounds(settings))
