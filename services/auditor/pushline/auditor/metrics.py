"""What the auditor counts and shows to Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from pushline.auditor.history import History
from pushline.auditor.ports import Exposition, Fold

FORGE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 3600)


class AuditGauges:
    """Read when Prometheus asks."""

    def __init__(self, fold: Fold, history: History, registry: CollectorRegistry) -> None:
        self._fold, self._history = fold, history
        gaps = Gauge("pushline_audit_gaps", "Ranges of offsets that gave no record.", registry=registry)
        gaps.set_function(self._gaps)
        kept = Gauge("pushline_audit_kept", "Records that wait for their cause.", registry=registry)
        kept.set_function(self._kept)

    def _gaps(self) -> float:
        with self._fold.read():
            return len(self._history.offsets.gaps)

    def _kept(self) -> float:
        with self._fold.read() as ledger:
            return ledger.kept


class ForgeMetrics:
    """Of what is told to forges. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "pushline_forge_calls",
            "What was done at forges, by kind of forge, what (status, comment, ask) and outcome.",
            ("forge", "what", "outcome"),
            registry=registry,
        )
        self.seconds = Histogram(
            "pushline_forge_seconds",
            "Seconds from a change of what is to stand at a forge until it stands there.",
            ("forge", "what"),
            buckets=FORGE_SECONDS,
            registry=registry,
        )
        self._waiting = Gauge("pushline_forge_waiting", "Statuses and comments that are to be written yet.", registry=registry)

    def watch(self, waiting: Callable[[], float]) -> None:
        self._waiting.set_function(waiting)


def exposition_of(registry: CollectorRegistry) -> Exposition:
    def expose(accept: str) -> tuple[bytes, str]:
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type

    return expose
