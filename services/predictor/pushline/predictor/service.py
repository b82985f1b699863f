"""The predictor as one thing that starts and stops: the same wiring for __main__.py and for tests."""

import secrets
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from pushline.line.broker import Log
from pushline.line.ledger import Judgement
from pushline.line.records import Record
from pushline.line.tail import Tail
from pushline.line.topics import DEPLOYED
from pushline.predictor.alone import Alone
from pushline.predictor.doors import Doors
from pushline.predictor.loading import from_line
from pushline.predictor.metrics import Metrics
from pushline.predictor.ports import Prepare
from pushline.predictor.reloads import Reloads
from pushline.predictor.reports import Reports
from pushline.predictor.residents import Residents
from pushline.predictor.settings import Settings
from pushline.predictor.watching import Watching
from pushline.runtime.health import Health
from pushline.runtime.logs import Logger
from pushline.runtime.stage_report import RecordCounter

if TYPE_CHECKING:
    from pushline.predictor.leading import Leading

LET_GO_SECONDS = 2.0


class Service:
    def __init__(
        self,
        settings: Settings,
        log: Log,
        prepare: Prepare,
        logger: Logger,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`environ` is what further processes are started with."""
        registry, self.health = CollectorRegistry(), Health(["model"])
        metrics = Metrics(registry)
        self._others = Alone(registry) if settings.workers == 1 else _leading(settings, registry, logger, environ)
        self.registry = self._others.registry
        self.residents, self._prepare = Residents(keeps=settings.keep_previous), prepare
        self.doors = Doors(settings, metrics, logger, self.residents, shared=self._others.shared)
        self.models, self.trust, self.door, self.rest = self.doors.models, self.doors.trust, self.doors.grpc, self.doors.rest
        self.reports = Reports(log, settings.replica_name, secrets.token_hex(8))
        self._records = RecordCounter(registry)
        self.tail = Tail(log, [DEPLOYED.name], on_fold=self._note)
        watch = Watching(logger, metrics, self.health, self.door.serve, self.door.serve_model)
        crew = self._others.crew
        load = from_line(settings, prepare, self.residents, self.models.current, crew)
        self.reloads = Reloads(self.tail, load, self.models, self.reports, watch, crew)

    def _note(self, _record: Record, judgements: tuple[Judgement, ...]) -> None:
        self._records.note(judgements)
        self.reloads.wake()

    def start(self) -> None:
        """What the disk holds is served before broker and store are asked. Raises CannotListen."""
        self._others.hold_ports(self.doors)
        self.reloads.recover()
        self.doors.start()
        self._others.start(self.doors.ports)
        self.reports.start()
        self.tail.start()
        self.reloads.start()

    def stop(self) -> None:
        """Drain first: what is served stays until the last call has its answer."""
        self.health.report("process", "stopping")
        self._others.begin_stop()
        self.doors.stop()
        self._others.end()
        self.reloads.stop()
        self.reports.stop(LET_GO_SECONDS)
        let_go(self.tail.stop)
        self.doors.close()
        self.residents.drop_spare()
        self._prepare.close()


def _leading(settings: Settings, registry: CollectorRegistry, logger: Logger, environ: Mapping[str, str]) -> "Leading":
    from pushline.predictor.leading import Leading  # noqa: PLC0415 - a predictor of one process does not pay for it

    return Leading(settings, registry, logger, environ)


def let_go(close: Callable[[], None]) -> None:
    """Close what may wait for a broker that does not answer, without waiting for it long: nothing there can be lost."""
    thread = threading.Thread(target=close, name="closing", daemon=True)
    thread.start()
    thread.join(LET_GO_SECONDS)
