"""What a stage reports, as log lines and metrics. It fits the line's StageReport by shape and imports nothing of the line."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pushline.runtime.bounded_labels import BoundedRows
from pushline.runtime.logs import Logger

SECONDS = (0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300, 1800, 7200)


class Answer(Protocol):
    """What the report reads of a published event."""

    @property
    def id(self) -> str: ...
    @property
    def counted(self) -> bool: ...
    @property
    def sentence(self) -> str: ...


class Stopped(Protocol):
    """What the report reads of a partition where a stage is stopped."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def count(self) -> int: ...


class StageReporter:
    """Thread-safe. Counts and logs every start, wait, defect and answer of one stage."""

    def __init__(self, log: Logger, registry: CollectorRegistry) -> None:
        self._log = log
        self._running = Gauge("pushline_stage_running", "Pieces of work that run now or wait to be tried again.", registry=registry)
        self._answers = Counter(
            "pushline_stage_answers",
            "Events written, by topic and whether they counted.",
            ("topic_event", "counted"),
            registry=registry,
        )
        self._outcomes = Counter(
            "pushline_stage_outcomes",
            "Answers of the stage that counted, by model, what they say (outcome or verdict) and the reason.",
            ("model", "outcome", "reason"),
            registry=registry,
        )
        self._rows = BoundedRows()
        self._waits = Counter(
            "pushline_stage_waits", "Tries that met trouble which passes (broker, store, forge).", registry=registry
        )
        self._defects = Counter("pushline_stage_defects", "Tries that met an error nobody expected.", registry=registry)
        self._seconds = Histogram(
            "pushline_stage_seconds", "Seconds from the start of a piece of work to its event.", buckets=SECONDS, registry=registry
        )

        self._bad = Gauge(
            "pushline_bad_records_in_a_row",
            "Undecodable records in a row that stop the stage for a partition, until a person accepts them.",
            ("topic", "partition"),
            registry=registry,
        )
        self._stopped_at = Gauge(
            "pushline_stopped_at_offset",
            "Offset at which undecodable records stop the stage for a partition.",
            ("topic", "partition"),
            registry=registry,
        )
        self._stops: frozenset[tuple[str, int]] = frozenset()

    def started(self, key: str) -> None:  # noqa: ARG002 - the port's name
        self._running.inc()

    def ended(self, key: str) -> None:  # noqa: ARG002 - the port's name
        self._running.dec()

    def waiting(self, key: str, problem: str) -> None:
        self._waits.inc()
        self._log.warning("waiting", work=key, reason=problem)

    def defect(self, key: str, error: BaseException) -> None:
        self._defects.inc()
        self._log.defect("defect", error, work=key)

    def answered(self, key: str, event: Any, published: Answer, seconds: float) -> None:  # noqa: ANN401 - any event of the line
        self._answers.labels(type(event).__name__, str(published.counted).lower()).inc()
        self._seconds.observe(seconds)
        names = {"event.id": published.id, "run_id": event.run_id, "labels.commit": event.commit.sha, "labels.model": event.model}
        said = next((getattr(event, name) for name in ("outcome", "verdict", "state") if getattr(event, name, "")), "")
        if published.counted:
            self._outcomes.labels(*self._rows(event.model, said, event.reason)).inc()
        what = "answered" if published.counted else "answered too late"
        self._log.info(what, work=key, outcome=said, reason=event.reason, sentence=event.sentence, **names)

    def stopped(self, stops: Sequence[Stopped]) -> None:
        """Say each stop once, in an error line, and that it is over; the metrics follow its count."""
        now = frozenset((stop.topic, stop.partition) for stop in stops)
        for stop in stops:
            self._bad.labels(stop.topic, str(stop.partition)).set(stop.count)
            self._stopped_at.labels(stop.topic, str(stop.partition)).set(stop.offset)
            if (stop.topic, stop.partition) not in self._stops:
                self._log.error("stopped", sentence=str(stop), topic=stop.topic, partition=stop.partition, offset=stop.offset)
        for topic, partition in self._stops - now:
            self._bad.remove(topic, str(partition))
            self._stopped_at.remove(topic, str(partition))
            self._log.info("goes on", topic=topic, partition=partition)
        self._stops = now


class RecordCounter:
    """Counts what becomes of the records read, by topic and verdict."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._records = Counter(
            "pushline_records", "Records read, by topic and what became of them.", ("topic", "verdict"), registry=registry
        )
        self._invalid = Counter(
            "pushline_invalid_records",
            "Invalid records read, by topic and the rule that they break.",
            ("topic", "rule"),
            registry=registry,
        )

    def begin(self, counts: Mapping[tuple[str, str], int], broken_rules: Mapping[tuple[str, str], int]) -> None:
        """Begin with what was counted before: a start from a snapshot tells the same numbers as one that reads all."""
        for key, number in counts.items():
            self._records.labels(*key).inc(number)
        for key, number in broken_rules.items():
            self._invalid.labels(*key).inc(number)

    def note(self, judgements: tuple[Any, ...]) -> None:
        for judgement in judgements:
            self._records.labels(judgement.place[0], judgement.verdict).inc()
            if judgement.rule:
                self._invalid.labels(judgement.place[0], judgement.rule).inc()
