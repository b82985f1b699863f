"""The HTTP server of the doors that speak JSON.

NOTE: what it is made of is imported when it starts: gRPC answers by then, a tenth of a second sooner.
"""

import math
from typing import TYPE_CHECKING

from pushline.predictor.lanes import Lanes
from pushline.predictor.metrics import Metrics
from pushline.predictor.settings import DoorSettings
from pushline.predictor.trust import Trust

if TYPE_CHECKING:
    from pushline.predictor.rest_api import Rest
    from pushline.runtime.http_server import HttpServer

SETTING = "PUSHLINE_REST_PORT"


class RestServer:
    """start() listens and returns; stop() lets what was received be answered."""

    def __init__(self, bind: str, door: DoorSettings, lanes: Lanes, metrics: Metrics, trust: Trust, *, shared: bool) -> None:
        self.port, self._shared = door.rest_port, shared
        self._bind, self._door, self._lanes, self._metrics, self._trust = bind, door, lanes, metrics, trust
        self._rest: Rest | None = None
        self._server: HttpServer | None = None

    def start(self) -> None:
        """Raises CannotListen."""
        from pushline.predictor.doorkeeper import guarded  # noqa: PLC0415 - see above
        from pushline.predictor.rest_api import Rest  # noqa: PLC0415
        from pushline.predictor.tfserving_rest import TensorFlowServingRest  # noqa: PLC0415
        from pushline.runtime.http_server import HttpServer  # noqa: PLC0415

        door, trust = self._door, self._trust
        self._rest = Rest(self._lanes, door, self._metrics)
        tensorflow_serving = TensorFlowServingRest(self._rest.telling)
        app = self._rest.app([tensorflow_serving], tensorflow_serving.routes())
        self._server = HttpServer(
            self._bind,
            self.port,
            guarded(app, trust.tokens, self._metrics) if trust.tokens else app,
            setting=SETTING,
            drain_seconds=math.ceil(door.grace_seconds),
            limits=door.rest.of_server,
            tls=trust.context,
            shared=self._shared,
        )
        self._server.start()
        self.port = self._server.port

    def refuse(self) -> None:
        """Tell whoever asks from now on that this replica is stopping."""
        if self._rest is not None:
            self._rest.stopping = True

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
