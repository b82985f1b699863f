"""The doors and what is behind them, as every process of a predictor has it: its models, their lanes, gRPC, REST, who may ask."""

import threading
from typing import NamedTuple

from pushline.predictor.grpc_server import GrpcServer
from pushline.predictor.lanes import lanes_of
from pushline.predictor.metrics import Metrics
from pushline.predictor.models import Models
from pushline.predictor.residents import Residents
from pushline.predictor.rest_server import RestServer
from pushline.predictor.settings import ServingSettings
from pushline.predictor.trust import Trust
from pushline.runtime.logs import Logger


class Ports(NamedTuple):
    grpc: int
    rest: int


class Doors:
    """start() listens, stop() drains. With `shared`, others listen on the same ports, and the kernel divides the connections."""

    def __init__(self, settings: ServingSettings, metrics: Metrics, log: Logger, residents: Residents, *, shared: bool) -> None:
        door, bind = settings.door, settings.process.bind
        self._drain_seconds = door.drain_seconds
        self.models = Models(settings.models, let_go=residents.give_back)
        lanes = lanes_of(self.models, settings, metrics)
        self.trust = Trust(settings.trust, bind, log)
        self.grpc = GrpcServer(door, bind, lanes, metrics, self.trust, shared=shared)
        self.rest = RestServer(bind, door, lanes, metrics, self.trust, shared=shared)

    @property
    def ports(self) -> Ports:
        return Ports(self.grpc.port, self.rest.port)

    def use(self, ports: Ports) -> None:
        """Listen there, whatever the settings say."""
        self.grpc.port, self.rest.port = ports

    def start(self) -> None:
        """Raises CannotListen."""
        self.trust.start()
        self.grpc.start()
        self.rest.start()

    def stop(self) -> None:
        """What is served stays until the last call has its answer."""
        self.rest.refuse()
        rest = threading.Thread(target=self._stop_rest, name="stopping-rest")
        rest.start()
        self.grpc.stop()
        rest.join()

    def close(self) -> None:
        """Call once nothing asks any more."""
        self.trust.stop()
        self.models.close()

    def _stop_rest(self) -> None:
        """Beside the other door, so that clients who hang on both cost one grace period."""
        threading.Event().wait(self._drain_seconds)
        self.rest.stop()
