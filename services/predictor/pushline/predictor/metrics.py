"""Every metric of this service, with a sentence. Nothing here is used by the core."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pushline.predictor.serving import Identity
from pushline.predictor.tally import Tally

ANSWER_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SWAP_BUCKETS = (0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1)
RELOAD_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
PREFIX = "pushline_predictor_"
IN_FLIGHT = f"{PREFIX}requests_in_flight"
ADDED_UP = frozenset({IN_FLIGHT})  # gauges of which several processes have the sum
SPREAD_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Tally(
            (f"{PREFIX}requests", "Calls answered, by method and gRPC code."),
            (f"{PREFIX}request_seconds", "Time to answer a call."),
            ANSWER_BUCKETS,
        ).register(registry)
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
        self.stale = Gauge(
            f"{PREFIX}stale",
            "1 while the replica cannot be sure that it serves the newest deployment.",
            ["model"],
            registry=registry,
        )
        self.reload_seconds = Histogram(
            f"{PREFIX}reload_seconds", "Time to fetch, verify, load and warm up.", buckets=RELOAD_BUCKETS, registry=registry
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
        self.not_finite.labels(model, where).inc()

    def note_swap(self, identity: Identity, seconds: float, swap_seconds: float) -> None:
        """`seconds` are those of the load, `swap_seconds` those of the swap alone."""
        old = self._served.get(identity.model)
        if old is not None:
            self.info.remove(*_labels(old))
        self._served[identity.model] = identity
        self.info.labels(*_labels(identity)).set(1)
        self.loaded_at.labels(identity.model).set_to_current_time()
        self.reload_seconds.observe(seconds)
        self.swap_seconds.observe(swap_seconds)
        self.reloads.labels(identity.model, "serving").inc()


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
