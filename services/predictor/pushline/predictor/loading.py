"""How this predictor loads models: the tools of on_deployed.py, put together for the first process and for the others."""

from collections.abc import Callable
from functools import partial

from pushline.objects.memory_store import MemoryStore
from pushline.objects.store import Store
from pushline.predictor.adapters.disk_cache import DiskCache
from pushline.predictor.adapters.litert_programs import check_program, open_programs, programs_need
from pushline.predictor.adapters.memory import memory
from pushline.predictor.adapters.tensorflow_models import model_needs, open_model
from pushline.predictor.on_deployed import Needs, OnDeployed
from pushline.predictor.ports import Deployment, Room
from pushline.predictor.room import MemoryRoom
from pushline.predictor.serving import Loaded
from pushline.predictor.settings import ServingSettings, Settings


def from_line(settings: Settings, store: Store) -> OnDeployed:
    """For the first process: it fetches, and sees to it that there is memory for all."""
    return _tools(settings, store, MemoryRoom(memory(settings.memory_bytes)), settings.workers)


def from_disk(settings: ServingSettings) -> Callable[[Deployment], Loaded]:
    """For the others: files that the first process has fetched, and memory that it has found."""
    return _tools(settings, MemoryStore(), MemoryRoom(lambda: None), 1).from_disk


def _tools(settings: ServingSettings, store: Store, room: Room, processes: int) -> OnDeployed:
    limit = settings.max_program_bytes
    needs = Needs(
        room,
        lambda paths: processes * programs_need(paths, settings.door.threads),
        lambda path: processes * model_needs(path),
    )
    check = partial(check_program, max_bytes=limit)
    return OnDeployed(store, DiskCache(settings.cache), check, open_programs, needs, limit, open_model(settings.tensorflow, limit))
