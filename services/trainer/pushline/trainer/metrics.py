"""What the trainer counts beside its stage: webhooks and looks. Decisions and handlers know nothing of it."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

STATUSES = ("202", "400", "401", "408", "413", "415", "503")  # without a reason
AGREED, FAILED = "agreed", "failed"
LOOK_BUCKETS = (0.005, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.webhooks = Counter(
            "pushline_webhooks",
            "Webhook requests, by form, HTTP status and reason.",
            ("form", "status", "reason"),
            registry=registry,
        )
        self.looks = Counter("pushline_looks", "Looks at a branch, by what came of them.", ("model", "outcome"), registry=registry)
        self.look_seconds = Histogram(
            "pushline_look_seconds", "Seconds of a look, until git and the log agree.", buckets=LOOK_BUCKETS, registry=registry
        )

    def begin(self, forms: Iterable[str], models: Iterable[str]) -> None:
        """Show at 0 what may be counted: Prometheus sees no rise in a series that begins with its first count."""
        for form in forms:
            for status in STATUSES:
                self.webhooks.labels(form, status, "")
        for model in models:
            for outcome in (AGREED, FAILED):
                self.looks.labels(model, outcome)
