"""Surrounds looks and webhooks with logs and metrics; interrupts none of them."""

import time
from collections.abc import Callable, Collection, Iterable

from pushline.line.events import CommitPushed
from pushline.line.ledger import Judgement
from pushline.runtime.logs import Logger
from pushline.trainer.look import LookFailed, Seen
from pushline.trainer.metrics import AGREED, FAILED, Metrics
from pushline.trainer.webhook.intake import Answer


class UnknownModels:
    """Says once of each model of the log that the operator's file does not name it."""

    def __init__(self, log: Logger, models: Collection[str]) -> None:
        self._log, self._known = log, set(models)

    def note(self, judgements: tuple[Judgement, ...]) -> None:
        for judgement in judgements:
            event = judgement.entry.event if judgement.entry is not None else None
            if isinstance(event, CommitPushed):
                self._one(event.model)

    def begin(self, models: Iterable[str]) -> None:
        """Say it of those that a snapshot knows."""
        for model in models:
            self._one(model)

    def _one(self, model: str) -> None:
        if model not in self._known:
            self._known.add(model)
            self._log.warning("model left alone: it is not in the operator's file", **{"labels.model": model})


class LookLog:
    """A look that is counted and, where it fails, logged once for each new reason."""

    def __init__(self, model: str, look: Callable[[], Seen], log: Logger, metrics: Metrics) -> None:
        self._model, self._look, self._log, self._metrics = model, look, log, metrics
        self._problem = ""

    def __call__(self) -> Seen:
        began = time.monotonic()
        try:
            seen = self._look()
        except LookFailed as error:
            self._note(FAILED, str(error))
            raise
        self._metrics.look_seconds.observe(time.monotonic() - began)
        self._note(AGREED, "")
        return seen

    def _note(self, outcome: str, problem: str) -> None:
        self._metrics.looks.labels(self._model, outcome).inc()
        if problem and problem != self._problem:
            self._log.warning("look failed", reason=problem, **{"labels.model": self._model})
        self._problem = problem


class WebhookLog:
    def __init__(self, log: Logger, metrics: Metrics) -> None:
        self._log, self._metrics = log, metrics

    def __call__(self, form: str, answer: Answer) -> None:
        """Log what was let in; strangers' requests are counted alone, so that they cannot fill a disk."""
        reason = str(answer.body.get("reason", ""))
        self._metrics.webhooks.labels(form, str(answer.status), reason).inc()
        if answer.status in (200, 202):
            known = (("model", "labels.model"), ("sha", "labels.commit"), ("run_id", "run_id"), ("event_id", "event.id"))
            names = {field: answer.body[name] for name, field in known if name in answer.body}
            self._log.info("webhook", form=form, status=answer.body["status"], reason=reason, **names)
