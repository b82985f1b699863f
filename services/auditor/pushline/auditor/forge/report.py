"""What desks do, as log lines and metrics."""

from pushline.auditor.forge.desk import DeskReport
from pushline.auditor.forge.plan import Step
from pushline.auditor.metrics import ForgeMetrics
from pushline.runtime.logs import Logger


class ForgeLog:
    def __init__(self, log: Logger, metrics: ForgeMetrics) -> None:
        self._log, self._metrics = log, metrics

    def desk(self, model: str, kind: str) -> DeskReport:
        return DeskLog(self._log.bind(**{"labels.model": model, "forge": kind}), self._metrics, kind)

    def bad(self, problem: str) -> None:
        self._log.error("what changed for forges cannot be used, what was read before counts on", reason=problem)


class DeskLog:
    """Implements DeskReport. Trouble that goes on is told once."""

    def __init__(self, log: Logger, metrics: ForgeMetrics, kind: str) -> None:
        self._log, self._metrics, self._kind = log, metrics, kind
        self._told = ""

    def done(self, step: Step, outcome: str, seconds: float) -> None:
        self._told = ""
        self._count(step, outcome or "as it should be")
        if not outcome:
            return
        self._metrics.seconds.labels(self._kind, step.what).observe(seconds)
        self._log.info("told the forge", what=step.what, outcome=outcome, **_names(step))

    def waits(self, step: Step, problem: str, outcome: str) -> None:
        self._count(step, outcome)
        if problem != self._told:
            self._log.warning("the forge is told later", what=step.what, reason=problem, **_names(step))
        self._told = problem

    def gave_up(self, step: Step, problem: str) -> None:
        self._count(step, "refused")
        self._log.error("the forge is not told", what=step.what, reason=problem, **_names(step))

    def defect(self, step: Step, error: BaseException) -> None:
        self._count(step, "defect")
        self._log.defect("defect", error, what=step.what, **_names(step))

    def _count(self, step: Step, outcome: str) -> None:
        self._metrics.calls.labels(self._kind, step.what, outcome).inc()


def _names(step: Step) -> dict[str, str]:
    word = step.word
    return {"run_id": word.run_id, "labels.commit": word.sha, "state": word.state, "sentence": word.sentence}
