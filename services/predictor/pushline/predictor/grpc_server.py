"""The gRPC server: all services, health, reflection, limits. start() listens, stop() drains."""

import threading

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from open_inference import open_inference_grpc_pb2 as oip_pb
from open_inference import open_inference_grpc_pb2_grpc as oip_grpc
from pushline.predictor import reflected, tfserving_api
from pushline.predictor.grpc_api import Doors, OpenInference, Typed
from pushline.predictor.interceptor import Observed
from pushline.predictor.metrics import Metrics
from pushline.predictor.predictions import Predictions
from pushline.predictor.settings import DoorSettings
from pushline.predictor.workers import Workers
from pushline.runtime.status_server import CannotListen
from pushline.serving.v1 import serving_pb2, serving_pb2_grpc

SERVICES = (
    oip_pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name,
    serving_pb2.DESCRIPTOR.services_by_name["Predictor"].full_name,
    *tfserving_api.SERVICES,
)
EVERYTHING = ""
INFER = f"/{SERVICES[0]}/ModelInfer"
CONNECTION_AGE_SECONDS = 1800  # then a client resolves its name again and finds new replicas
PING_INTERVAL_MS = 5000  # clients that ping more often are sent away
MAX_METADATA_BYTES = 16 * 1024
MAX_STREAMS = 1024
TURNED_AWAY_SECONDS = 0.1  # in which calls on open connections are told to go elsewhere


class GrpcServer:
    def __init__(self, settings: DoorSettings, bind: str, predictions: Predictions, metrics: Metrics) -> None:
        self.port = settings.grpc_port
        self._bind, self._settings = bind, settings
        self._health = health.HealthServicer()
        self._pool = Workers(settings.workers, settings.max_in_flight)
        doors = Doors(predictions)
        open_inference = OpenInference(doors)
        self._observed = Observed(metrics, self._pool.computing, {INFER: open_inference.ModelInfer})
        metrics.in_flight.set_function(lambda: len(self._pool.computing))
        self._server = grpc.server(
            self._pool,
            interceptors=[self._observed],
            options=_options(settings),
            maximum_concurrent_rpcs=settings.max_in_flight,
        )
        oip_grpc.add_GRPCInferenceServiceServicer_to_server(open_inference, self._server)
        serving_pb2_grpc.add_PredictorServicer_to_server(Typed(doors), self._server)
        self._server.add_generic_rpc_handlers(tfserving_api.handlers(doors, settings.max_message_bytes))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        told = {*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME}
        reflection.enable_server_reflection(told, self._server, reflected.pool(told - {*tfserving_api.SERVICES}))
        self.serve(ready=False)

    def start(self) -> None:
        """Raises CannotListen."""
        try:
            self.port = self._server.add_insecure_port(f"{_host(self._bind)}:{self.port}")
        except RuntimeError as error:
            raise CannotListen("PUSHLINE_GRPC_PORT", self._bind, self.port, OSError(str(error))) from None
        self._server.start()

    def serve(self, ready: bool) -> None:
        """Tell health checks whether a model can answer."""
        state = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in (EVERYTHING, *SERVICES):
            self._health.set(service, state)

    def serve_model(self, model: str, ready: bool) -> None:
        """Tell health checks that ask for a model by its name."""
        self._health.set(model, health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING)

    def stop(self) -> None:
        """Say NOT_SERVING, answer on while clients turn away, refuse new calls, let those under way end."""
        self._health.enter_graceful_shutdown()
        threading.Event().wait(self._settings.drain_seconds)
        self._observed.closing.set()
        threading.Event().wait(TURNED_AWAY_SECONDS)
        self._server.stop(self._settings.grace_seconds).wait()
        self._pool.shutdown(wait=False)


def _options(settings: DoorSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        ("grpc.max_connection_age_ms", CONNECTION_AGE_SECONDS * 1000),
        ("grpc.max_connection_age_grace_ms", int(settings.grace_seconds * 1000)),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_INTERVAL_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.so_reuseport", 0),  # a second predictor on the port is an error, not half of the requests
    ]


def _host(bind: str) -> str:
    return f"[{bind}]" if ":" in bind else bind
