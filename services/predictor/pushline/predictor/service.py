"""The predictor as one thing that starts and stops: the same wiring for __main__.py and for tests."""

import secrets
import threading
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry

from pushline.line.broker import Log
from pushline.line.ledger import Judgement
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.topics import DEPLOYED
from pushline.predictor.adapters.disk_cache import DiskCache
from pushline.predictor.adapters.litert_programs import needs, open_programs
from pushline.predictor.adapters.memory import machine, memory
from pushline.predictor.adapters.tensorflow_models import open_model
from pushline.predictor.grpc_server import GrpcServer
from pushline.predictor.lanes import Lanes
from pushline.predictor.metrics import Metrics
from pushline.predictor.model_files import Bounds
from pushline.predictor.models import Models
from pushline.predictor.on_deployed import OnDeployed
from pushline.predictor.opening import Opening
from pushline.predictor.ports import Prepare
from pushline.predictor.predictions import Predictions
from pushline.predictor.reloads import Reloads
from pushline.predictor.reports import Reports
from pushline.predictor.residents import Residents
from pushline.predictor.rest_server import RestServer
from pushline.predictor.room import MemoryRoom
from pushline.predictor.settings import Settings
from pushline.predictor.tensors import Limits
from pushline.predictor.trust import Trust
from pushline.predictor.watching import Watching
from pushline.runtime.health import Health
from pushline.runtime.logs import Logger
from pushline.runtime.stage_report import RecordCounter

LET_GO_SECONDS = 2.0


class Service:
    def __init__(self, settings: Settings, log: Log, prepare: Prepare, logger: Logger) -> None:
        self.registry, self.health = CollectorRegistry(), Health(["model"])
        self._drain_seconds = settings.door.drain_seconds
        metrics = Metrics(self.registry)
        self.residents, self._prepare = Residents(keeps=settings.keep_previous), prepare
        self.models = Models(settings.models, let_go=self.residents.give_back)
        predictions = Predictions(self.models, Limits(settings.max_rows, settings.non_finite == "refuse"), metrics.note_not_finite)
        self.trust = Trust(settings.trust, settings.process.bind, logger)
        door = settings.door
        lanes = Lanes(predictions, door.threads, door.max_in_flight, door.max_batch)
        self.door = GrpcServer(door, settings.process.bind, lanes, metrics, self.trust)
        self.rest = RestServer(settings.process.bind, door, lanes, metrics, self.trust)
        self.reports = Reports(log, settings.replica_name, secrets.token_hex(8))
        opening = Opening(open_programs, open_model(settings.tensorflow, settings.max_program_bytes))
        needed = partial(needs, threads=door.threads)
        room = MemoryRoom(memory(settings.memory_bytes), self.residents, machine=machine)
        load = OnDeployed(
            prepare, DiskCache(settings.cache), room, opening, needed, self.residents, self.models.current, bounds(settings)
        )
        self._records = RecordCounter(self.registry)
        self.tail = Tail(log, [DEPLOYED.name], on_fold=self._note)
        watch = Watching(logger, metrics, self.health, self.door.serve, self.door.serve_model)
        self.reloads = Reloads(self.tail, load, self.models, self.reports, watch)

    def _note(self, _record: Record, judgements: tuple[Judgement, ...]) -> None:
        self._records.note(judgements)
        self.reloads.wake()

    def start(self) -> None:
        """What the disk holds is served before broker and store are asked. Raises CannotListen."""
        self.reloads.recover()
        self.trust.start()
        self.door.start()
        self.rest.start()
        self.reports.start()
        self.tail.start()
        self.reloads.start()

    def stop(self) -> None:
        """Drain first: what is served stays until the last call has its answer."""
        self.health.report("process", "stopping")
        self.rest.refuse()
        rest = threading.Thread(target=self._stop_rest, name="stopping-rest")
        rest.start()
        self.door.stop()
        rest.join()
        self.reloads.stop()
        self.reports.stop(LET_GO_SECONDS)
        let_go(self.tail.stop)
        self.trust.stop()
        self.models.close()
        self.residents.drop_spare()
        self._prepare.close()

    def _stop_rest(self) -> None:
        """Beside the other door, so that clients who hang on both cost one grace period."""
        threading.Event().wait(self._drain_seconds)
        self.rest.stop()


def bounds(settings: Settings) -> Bounds:
    return Bounds(settings.max_program_bytes, has_tensorflow=settings.tensorflow.python is not None)


def let_go(close: Callable[[], None]) -> None:
    """Close what may wait for a broker that does not answer, without waiting for it long: nothing there can be lost."""
    thread = threading.Thread(target=close, name="closing", daemon=True)
    thread.start()
    thread.join(LET_GO_SECONDS)
