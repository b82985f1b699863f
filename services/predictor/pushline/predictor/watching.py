"""Turns what the reload loop does into log lines, metrics and health. A state is logged when it changes, not at every look."""

from collections.abc import Callable

from pushline.predictor.metrics import Metrics
from pushline.predictor.ports import Deployment
from pushline.predictor.serving import Identity
from pushline.runtime.health import Health
from pushline.runtime.logs import Logger

PART = "model"


class Watching:
    """Implements Watch. `serve` is told whenever readiness changes, `serve_model` whenever a model's does."""

    def __init__(
        self,
        log: Logger,
        metrics: Metrics,
        health: Health,
        serve: Callable[[bool], None],
        serve_model: Callable[[str, bool], None],
    ) -> None:
        self._log, self._metrics, self._health, self._serve, self._serve_model = log, metrics, health, serve, serve_model
        self._stale: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._missing: set[str] = set()
        self._ready: bool | None = None

    def swapped(self, identity: Identity, seconds: float, swap_seconds: float) -> None:
        self._metrics.note_swap(identity, seconds, swap_seconds)
        log = self._log.bind(**{"event.id": identity.event_id, "labels.commit": identity.commit, "labels.model": identity.model})
        log.info(
            "serving", run_id=identity.run_id, deploy_seq=identity.deploy_seq, digest=identity.digest, seconds=round(seconds, 3)
        )

    def load_failed(self, deployment: Deployment, reason: str, sentence: str) -> None:
        event = deployment.event
        self._metrics.note_failure(event.model, reason)
        log = self._log.bind(**{"event.id": deployment.id, "labels.commit": event.commit.sha, "labels.model": event.model})
        log.warning("not loaded", run_id=event.run_id, deploy_seq=event.deploy_seq, reason=reason, sentence=sentence)

    def stale(self, model: str, why: str) -> None:
        self._metrics.note_stale(model, bool(why))
        if self._stale.get(model, "") != why:
            self._log.info("stale" if why else "no longer stale", **{"labels.model": model, "sentence": why})
        self._stale[model] = why

    def can_answer(self, model: str, problem: str) -> None:
        known = self._problems.get(model)
        if problem and problem != known:
            self._log.warning("cannot answer", **{"labels.model": model, "sentence": problem})
        elif known and not problem:
            self._log.info("answers again", **{"labels.model": model})
        if known is None or bool(known) != bool(problem):
            self._serve_model(model, not problem)
        self._problems[model] = problem

    def missing(self, model: str) -> None:
        if model not in self._missing:
            self._serve_model(model, False)
        self._missing.add(model)

    def ready(self, ready: bool, sentence: str) -> None:
        self._health.report(PART, "" if ready else sentence)
        if ready != self._ready:
            self._serve(ready)
        self._ready = ready
