"""Every metric of this service, with a sentence. Nothing here is used by the core."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pushline.predictor.serving import Identity
from pushline.predictor.tally import Batches, Shown, Tally
from pushline.runtime.bounded_labels import Bounded, BoundedRows

ANSWER_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SWAP_BUCKETS = (0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1)
RELOAD_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
PREFIX = "pushline_predictor_"
ROW_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 16384, 65536)
IN_FLIGHT, OF_MODEL, WAITING = f"{PREFIX}requests_in_flight", f"{PREFIX}model_in_flight", f"{PREFIX}model_queue"
ADDED_UP = frozenset({IN_FLIGHT, OF_MODEL, WAITING})  # gauges of which several processes have the sum
SPREAD_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Tally(
            Shown(
                (f"{PREFIX}requests", "Calls answered, by method and code: gRPC's, or REST's status."),
                (f"{PREFIX}request_seconds", "Time to answer a call."),
            ),
            Shown(
                (f"{PREFIX}model_requests", "Predictions asked of a model, by code: gRPC's, or REST's status."),
                (f"{PREFIX}model_request_seconds", "Time to answer a prediction, refused ones included."),
            ),
            ANSWER_BUCKETS,
        ).register(registry)
        self.batches = Batches(
            (f"{PREFIX}batch_rows", "Rows that a model was asked at once, of one request or several."), ROW_BOUNDS
        ).register(registry)
        self.queues = Queues(registry)
        self._models, self._rows = Bounded(), BoundedRows()
        self.not_finite = Counter(
            f"{PREFIX}not_finite",
            "Requests refused for NaN or an infinity in an input, and those that the model itself answered with one.",
            ["model", "where"],
            registry=registry,
        )
        self.in_flight = Gauge(IN_FLIGHT, "gRPC requests that wait for a model or are worked on by one.", registry=registry)
        self.info = Gauge(
            f"{PREFIX}model_info",
            "What is served: 1 for each model's live deployment.",
            ["model", "digest", "commit", "deploy_seq"],
            registry=registry,
        )
        self.loaded_at = Gauge(
            f"{PREFIX}model_loaded_timestamp_seconds", "When the served deployment was swapped in.", ["model"], registry=registry
        )
        self.deploy_seq = Gauge(f"{PREFIX}deploy_seq", "Number of the deployment that is served.", ["model"], registry=registry)
        self.load_failing = Gauge(
            f"{PREFIX}load_failing",
            "1 while the newest deployment of a model could not be loaded here, whether it is tried again or not.",
            ["model"],
            registry=registry,
        )
        self.stale = Gauge(
            f"{PREFIX}stale",
            "1 while the replica cannot be sure that it serves the newest deployment.",
            ["model"],
            registry=registry,
        )
        self.reload_seconds = Histogram(
            f"{PREFIX}reload_seconds",
            "Time to fetch, verify, load and warm up.",
            ["model"],
            buckets=RELOAD_BUCKETS,
            registry=registry,
        )
        self.swap_seconds = Histogram(
            f"{PREFIX}swap_seconds",
            "Time to put a loaded model in the place of the one before.",
            buckets=SWAP_BUCKETS,
            registry=registry,
        )
        self.reloads = Counter(f"{PREFIX}reloads", "Loads, by what came of them.", ["model", "outcome"], registry=registry)
        self._served: dict[str, Identity] = {}

    def note_not_finite(self, model: str, where: str) -> None:
        self.not_finite.labels(self._models(model), where).inc()

    def note_batch(self, model: str, rows: int) -> None:
        self.batches.note(model, rows)

    def note_failure(self, model: str, reason: str) -> None:
        self.reloads.labels(*self._rows(model, reason)).inc()
        if self._models.has_room(model):
            self.load_failing.labels(model).set(1)

    def note_stale(self, model: str, stale: bool) -> None:
        if self._models.has_room(model):
            self.stale.labels(model).set(1 if stale else 0)

    def note_swap(self, identity: Identity, seconds: float, swap_seconds: float) -> None:
        """`seconds` are those of the load, `swap_seconds` those of the swap alone."""
        model = self._models(identity.model)
        self.reload_seconds.labels(model).observe(seconds)
        self.swap_seconds.observe(swap_seconds)
        self.reloads.labels(*self._rows(identity.model, "serving")).inc()
        if not self._models.has_room(identity.model):
            return
        old = self._served.get(model)
        if old is not None:
            self.info.remove(*_labels(old))
        self._served[model] = identity
        self.info.labels(*_labels(identity)).set(1)
        self.loaded_at.labels(model).set_to_current_time()
        self.deploy_seq.labels(model).set(identity.deploy_seq)
        self.load_failing.labels(model).set(0)


class Queues(Collector):
    """Of each model, what waits and what is under way; read when Prometheus asks. What is answered at once is never in a queue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._look: Callable[[], Mapping[str, tuple[int, int]]] = dict
        self._models = Bounded()
        registry.register(self)

    def watch(self, look: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        """`look` gives by model how many requests are under way, and how many of them wait."""
        self._look = look

    def collect(self) -> Iterator[Metric]:
        inside = GaugeMetricFamily(OF_MODEL, "Requests that wait for the model or are worked on by it.", labels=["model"])
        waiting = GaugeMetricFamily(WAITING, "Of these, the requests that wait.", labels=["model"])
        for model, (under_way, waits) in self._look().items():
            if self._models.has_room(model):
                inside.add_metric([model], under_way)
                waiting.add_metric([model], waits)
        yield from (inside, waiting)


class CrewMetrics:
    """Of a predictor that is several processes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.processes = Gauge(f"{PREFIX}processes", "Processes that answer, with PUSHLINE_WORKERS above 1.", registry=registry)
        self.ended = Counter(f"{PREFIX}processes_ended", "Processes that ended and were started again.", registry=registry)
        self.spread = Histogram(
            f"{PREFIX}swap_spread_seconds",
            "Time from the first process to the last one that serves a new deployment.",
            buckets=SPREAD_BUCKETS,
            registry=registry,
        )


def _labels(identity: Identity) -> tuple[str, str, str, str]:
    return identity.model, identity.digest, identity.commit, str(identity.deploy_seq)
