"""How this predictor loads models: the tools of on_deployed.py, put together for the first process and for the others."""

from dataclasses import dataclass
from functools import partial

from pushline.predictor.adapters.disk_cache import DiskCache
from pushline.predictor.adapters.litert_programs import needs, open_programs
from pushline.predictor.adapters.memory import machine, memory, tightest
from pushline.predictor.adapters.tensorflow_models import open_model
from pushline.predictor.errors import LoadPostponed
from pushline.predictor.model_files import Bounds
from pushline.predictor.on_deployed import OnDeployed
from pushline.predictor.opening import Opening
from pushline.predictor.ports import Crew, Live, Prepare, Room
from pushline.predictor.prepared import ModelFiles, Prepared
from pushline.predictor.residents import Residents
from pushline.predictor.room import MemoryRoom
from pushline.predictor.settings import ServingSettings, Settings


def from_line(settings: Settings, prepare: Prepare, residents: Residents, live: Live, crew: Crew) -> OnDeployed:
    """For the first process: it has models prepared, and sees to it that there is memory for all."""
    spare = SpareOfAll(residents, crew)
    room = MemoryRoom(memory(settings.memory_bytes), spare, machine=machine, processes=settings.workers)
    return _tools(settings, prepare, room, residents, live)


def from_disk(settings: ServingSettings, residents: Residents, live: Live) -> OnDeployed:
    """For the others: files that the first process has on the disk, and memory that it has found."""
    return _tools(settings, Nowhere(), MemoryRoom(lambda: None, residents, machine=tightest), residents, live)


@dataclass(frozen=True, slots=True)
class SpareOfAll:
    """Implements Spare. All processes have the same open that nobody uses."""

    residents: Residents
    crew: Crew

    @property
    def spare(self) -> frozenset[str]:
        return self.residents.spare

    def drop_spare(self) -> bool:
        self.crew.drop_spare()
        return self.residents.drop_spare()


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


def _tools(settings: ServingSettings, prepare: Prepare, room: Room, residents: Residents, live: Live) -> OnDeployed:
    opening = Opening(open_programs, open_model(settings.tensorflow, settings.max_program_bytes))
    needed = partial(needs, threads=settings.door.threads)
    return OnDeployed(prepare, DiskCache(settings.cache), room, opening, needed, residents, live, bounds(settings))
