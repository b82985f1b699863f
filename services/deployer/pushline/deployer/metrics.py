"""What the deployer counts beside its stage: the replicas' reports."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from pushline.line.events import ModelServed
from pushline.line.ledger import Judgement, ModelLine
from pushline.runtime.bounded_labels import Bounded, BoundedRows
from pushline.runtime.logs import Logger


class ServedReports:
    """Hears of every `served` record that counts: the deployer tells of them and waits for none."""

    def __init__(self, log: Logger, registry: CollectorRegistry) -> None:
        self._log, self._models, self._rows = log, Bounded(), BoundedRows()
        self._reports = Counter("pushline_replica_reports", "Reports of replicas, by state.", ("model", "state"), registry=registry)
        self._seq = Gauge(
            "pushline_replica_deploy_seq", "Newest deploy_seq that any replica reported to serve.", ("model",), registry=registry
        )

    def begin(self, lines: Iterable[ModelLine]) -> None:
        """What replicas said before a snapshot: the newest number that any serves."""
        told = sorted(
            (entry for line in lines for entry in line.served.values()), key=lambda entry: (entry.partition, entry.offset)
        )
        for served in (entry.event for entry in told if entry.event.state == "serving"):
            self._serves(served)

    def note(self, judgements: tuple[Judgement, ...]) -> None:
        for judgement in judgements:
            served = judgement.entry.event if judgement.entry is not None and judgement.verdict == "valid" else None
            if isinstance(served, ModelServed):
                self._one(served)

    def _one(self, served: ModelServed) -> None:
        self._reports.labels(*self._rows(served.model, served.state)).inc()
        if served.state == "serving":
            self._serves(served)
        names = {"run_id": served.run_id, "labels.commit": served.commit.sha, "labels.model": served.model}
        tell = self._log.info if served.state == "serving" else self._log.warning
        tell("replica", state=served.state, replica=served.replica, deploy_seq=served.deploy_seq, sentence=served.sentence, **names)

    def _serves(self, served: ModelServed) -> None:
        if self._models.has_room(served.model):
            self._seq.labels(served.model).set(served.deploy_seq)
