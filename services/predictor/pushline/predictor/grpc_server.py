"""The gRPC server: all services, health, reflection, limits. start() listens, stop() drains."""

import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_reflection.v1alpha import reflection

from open_inference import open_inference_grpc_pb2 as oip_pb
from open_inference import open_inference_grpc_pb2_grpc as oip_grpc
from pushline.predictor import health, heap, reflected, tfserving_api
from pushline.predictor.calls import Calls, Door
from pushline.predictor.doorkeeper import Doorkeeper
from pushline.predictor.grpc_api import OipDoor, OpenInference, TypedDoor
from pushline.predictor.lanes import Lanes
from pushline.predictor.metrics import Metrics
from pushline.predictor.settings import DoorSettings
from pushline.predictor.telling import Telling
from pushline.predictor.trust import UNIX, Trust
from pushline.predictor.wire import Wire
from pushline.runtime.status_server import CannotListen
from pushline.serving.v1 import serving_pb2

SERVICES = (
    oip_pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name,
    serving_pb2.DESCRIPTOR.services_by_name["Predictor"].full_name,
    *tfserving_api.SERVICES,
)
EVERYTHING = ""
INFER, PREDICT = f"/{SERVICES[0]}/ModelInfer", f"/{SERVICES[1]}/Predict"
OTHER_FILES = 256  # than connections of clients
STREAMS_AT_ONCE = 8  # of reflection
MOST_PENDING = 4096  # calls that have come and are not begun; of more, grpcio refuses some by chance, and twice as many all
TURNED_AWAY_SECONDS = 0.3  # in which calls on open connections are told to go elsewhere; on a busy machine one sleeps so long


class GrpcServer:
    def __init__(
        self, settings: DoorSettings, bind: str, lanes: Lanes, metrics: Metrics, trust: Trust, *, shared: bool = False
    ) -> None:
        self.port = settings.grpc_port
        self._bind, self._settings, self._lanes, self._trust = bind, settings, lanes, trust
        predictions, telling = lanes.predictions, Telling(lanes.predictions, settings.metadata)
        doors: dict[str, Door] = {
            INFER: OipDoor(predictions),
            PREDICT: TypedDoor(predictions),
            tfserving_api.PREDICT: tfserving_api.PredictDoor(predictions, settings.max_message_bytes),
        }
        doorkeeper = Doorkeeper(trust.tokens, metrics) if trust.tokens else None
        self._calls = Calls(lanes, doors, metrics.calls, settings.max_message_bytes)
        server = grpc.server(
            ThreadPoolExecutor(STREAMS_AT_ONCE, thread_name_prefix="grpc stream"),
            interceptors=[doorkeeper] if doorkeeper else [],
            options=_options(settings, shared=shared),
            maximum_concurrent_rpcs=STREAMS_AT_ONCE,
        )
        self._wire = Wire(server, self._calls.take, self._calls.refuse, doorkeeper, settings.body_seconds)
        metrics.in_flight.set_function(lambda: lanes.inside)
        metrics.queues.watch(lanes.queues)
        self._health = health.Health(self._calls.finish)
        self._calls.owners = self._health.methods
        for path in (*doors, *self._health.methods):
            self._wire.add_path(path)
        oip_grpc.add_GRPCInferenceServiceServicer_to_server(OpenInference(telling), self._wire)
        for service, handlers in tfserving_api.handlers(telling).items():
            self._wire.add_registered_method_handlers(service, handlers)
        if settings.reflection:
            told = {*SERVICES, health.SERVICE, reflection.SERVICE_NAME}
            reflection.enable_server_reflection(told, self._wire, reflected.pool(told - {*tfserving_api.SERVICES}))
        self._calls.handlers = self._wire.handlers
        self.serve(ready=False)

    def start(self) -> None:
        """Raises CannotListen."""
        _allow_files(self._settings.grpc.max_connections + self._settings.rest.max_connections + OTHER_FILES)
        try:
            self.port = self._trust.listen(self._wire, _address(self._bind, self.port))
        except RuntimeError as error:
            raise CannotListen("PUSHLINE_GRPC_PORT", self._bind, self.port, OSError(str(error))) from None
        heap.keep_freed(self._settings.max_message_bytes)
        self._wire.start()

    def serve(self, ready: bool) -> None:
        """Tell health checks whether a model can answer."""
        for service in (EVERYTHING, *SERVICES):
            self._health.set(service, serving=ready)

    def serve_model(self, model: str, ready: bool) -> None:
        """Tell health checks that ask for a model by its name."""
        self._health.set(model, serving=ready)

    def stop(self) -> None:
        """Say NOT_SERVING, answer on while clients turn away, refuse new calls, let those under way end."""
        self._health.end()
        threading.Event().wait(self._settings.drain_seconds)
        self._calls.closing.set()
        until = time.monotonic() + self._settings.grace_seconds
        self._lanes.wait_until_idle(self._settings.grace_seconds)
        threading.Event().wait(TURNED_AWAY_SECONDS)
        self._health.close()
        self._wire.stop(max(0.0, until - time.monotonic())).wait()
        self._calls.stop()


def _options(settings: DoorSettings, *, shared: bool) -> list[tuple[str, int]]:
    limits = settings.grpc
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", limits.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", limits.max_metadata_bytes),  # between the two, some calls would pass
        ("grpc.max_concurrent_streams", limits.max_streams),
        ("grpc.max_allowed_incoming_connections", limits.max_connections),
        ("grpc.server_handshake_timeout_ms", int(settings.rest.header_seconds * 1000)),
        ("grpc.max_connection_idle_ms", int(limits.idle_seconds * 1000)),
        # By default the core counts calls that were answered and not yet freed, and refuses those of clients who keep to the limit.
        ("grpc.http.overload_protection", 0),
        ("grpc.max_connection_age_ms", int(limits.connection_seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", int(settings.grace_seconds * 1000)),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", int(limits.ping_seconds * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        # While the loop stands still, calls wait for it here; by default grpcio cancels some of them by chance from 1000 on.
        ("grpc.server.max_pending_requests", MOST_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * MOST_PENDING),
        ("grpc.so_reuseport", int(shared)),  # else a second predictor on the port is an error, not half of the requests
    ]


def _allow_files(count: int) -> None:
    """As far as the machine lets a process: of as many connections as there may be, each is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _address(bind: str, port: int) -> str:
    if bind.startswith(UNIX):
        return bind
    return f"[{bind}]:{port}" if ":" in bind else f"{bind}:{port}"
