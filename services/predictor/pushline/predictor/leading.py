"""What the first of several processes has beside its own doors: the ports for all, the others, the metrics of all."""

from collections.abc import Mapping
from functools import partial

from prometheus_client import CollectorRegistry

from pushline.predictor.doors import Doors, Ports
from pushline.predictor.everybody import Everybody
from pushline.predictor.member import spawn
from pushline.predictor.metrics import CrewMetrics
from pushline.predictor.settings import Settings, without_secrets
from pushline.predictor.shared_port import HeldPort, hold
from pushline.predictor.workers import Workers
from pushline.runtime.logs import Logger


class Leading:
    """`registry` has the metrics of all processes; the given one has the first one's own."""

    shared = True  # its ports are

    def __init__(self, settings: Settings, registry: CollectorRegistry, log: Logger, environ: Mapping[str, str]) -> None:
        self._settings, self._held = settings, list[HeldPort]()
        start = partial(spawn, environ=without_secrets(environ))
        door = settings.door
        self.crew = Workers(settings.workers, start, CrewMetrics(registry), log, door.drain_seconds + door.grace_seconds)
        self.registry = CollectorRegistry()
        Everybody(registry, self.crew.told).register(self.registry)

    def hold_ports(self, doors: Doors) -> None:
        """Raises CannotListen."""
        bind, door = self._settings.process.bind, self._settings.door
        for setting, port in (("PUSHLINE_GRPC_PORT", door.grpc_port), ("PUSHLINE_REST_PORT", door.rest_port)):
            self._held.append(hold(setting, bind, port))
        doors.use(Ports(*(held.number for held in self._held)))

    def start(self, ports: Ports) -> None:
        self.crew.start(ports)

    def begin_stop(self) -> None:
        self.crew.stop()

    def end(self) -> None:
        """Return when the others have ended."""
        self.crew.wait()
        for held in self._held:
            held.close()
