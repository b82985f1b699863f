"""The doors and what is behind them, as every process of a predictor has it: its models, their lanes, gRPC, REST, who may ask."""

import math
import threading
from dataclasses import replace
from typing import NamedTuple

import structlog

from pushline.predictor.doorkeeper import guarded
from pushline.predictor.grpc_server import GrpcServer
from pushline.predictor.lanes import Lanes
from pushline.predictor.metrics import Metrics
from pushline.predictor.model_limits import check_served
from pushline.predictor.models import Models
from pushline.predictor.predictions import Predictions
from pushline.predictor.residents import Residents
from pushline.predictor.rest_api import Rest
from pushline.predictor.settings import ServingSettings
from pushline.predictor.tensors import Limits
from pushline.predictor.tfserving_rest import TensorFlowServingRest
from pushline.predictor.trust import Trust
from pushline.runtime.http_server import HttpServer


class Ports(NamedTuple):
    grpc: int
    rest: int


class Doors:
    """start() listens, stop() drains. With `shared`, others listen on the same ports, and the kernel divides the connections."""

    def __init__(
        self, settings: ServingSettings, metrics: Metrics, log: structlog.BoundLogger, residents: Residents, *, shared: bool
    ) -> None:
        door, bind = settings.door, settings.process.bind
        self._drain_seconds = door.drain_seconds
        self.models = Models(settings.models, let_go=residents.give_back)
        check_served(settings.model_limits, settings.models)
        limits, own = Limits(settings.max_rows, settings.non_finite == "refuse"), settings.model_limits
        rows = {name: replace(limits, max_rows=each.rows) for name, each in own.items() if each.rows}
        predictions = Predictions(self.models, limits, metrics.note_not_finite, rows)
        lanes = Lanes(predictions, door.threads, door.max_in_flight, door.max_batch, own)
        self.trust = Trust(settings.trust, bind, log)
        self.grpc = GrpcServer(door, bind, lanes, metrics, self.trust, shared=shared)
        self._rest = Rest(lanes, door, metrics)
        tensorflow_serving = TensorFlowServingRest(self._rest.telling)
        app = self._rest.app([tensorflow_serving], tensorflow_serving.routes())
        self.rest = HttpServer(
            bind,
            door.rest_port,
            guarded(app, self.trust.tokens, metrics) if self.trust.tokens else app,
            setting="PUSHLINE_REST_PORT",
            drain_seconds=math.ceil(door.grace_seconds),
            limits=door.rest.of_server,
            tls=self.trust.context,
            shared=shared,
        )

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
        self._rest.stopping = True
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
