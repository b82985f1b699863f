"""What the auditor counts and shows to Prometheus."""

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder

from pushline.auditor.history import History
from pushline.auditor.ports import Exposition, Fold


class AuditGauges:
    """Read when Prometheus asks."""

    def __init__(self, fold: Fold, history: History, registry: CollectorRegistry) -> None:
        self._fold, self._history = fold, history
        gaps = Gauge("pushline_audit_gaps", "Ranges of offsets that gave no record.", registry=registry)
        gaps.set_function(self._gaps)
        kept = Gauge("pushline_audit_kept", "Records that wait for their cause.", registry=registry)
        kept.set_function(self._kept)
        live = Gauge("pushline_audit_open_runs", "Runs without an outcome.", registry=registry)
        live.set_function(self._open)

    def _gaps(self) -> float:
        with self._fold.read():
            return len(self._history.offsets.gaps)

    def _kept(self) -> float:
        with self._fold.read() as ledger:
            return ledger.kept

    def _open(self) -> float:
        with self._fold.read() as ledger:
            return sum(not run.outcome for run in ledger.runs.values())


def exposition_of(registry: CollectorRegistry) -> Exposition:
    def expose(accept: str) -> tuple[bytes, str]:
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type

    return expose
