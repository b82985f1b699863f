"""What to train next: the trainer's decision, and nothing but that. Pure: no clock, no I/O.

Under `latest` the newest open run of a model is trained. Older open ones that do not run are superseded; one that runs is cancelled
if the operator allows it, but not twice in a row: after one was cancelled the next goes through to its end, or a branch that moves
faster than a training would never get a model.

Under `every` nothing is superseded: the open runs of a model are trained one after the other, the oldest first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pushline.line.ledger import Ledger, ModelLine, Run
from pushline.line.stage import Decision
from pushline.runtime.operator_file import ModelConfig

CANCELLED = "cancelled"  # reason of a run whose training was stopped for a newer one
EVERY = "every"
NEWER_COMMIT = "newer_commit"  # reason of a run that was never begun, or begun by a process that is gone


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Train a run, or say that a newer one took its place."""

    run: Run
    superseded_by: Run | None

    @property
    def key(self) -> str:
        return self.run.run_id


@dataclass(frozen=True, slots=True)
class Hindered:
    """Runs whose training met trouble that passes (a forge or an index that is away), by run id."""

    resting: frozenset[str] = frozenset()  # nothing is done for them now: they take no place of others
    before: frozenset[str] = frozenset()  # they met it when they were last tried: others go first


@dataclass(frozen=True, slots=True)
class Recipe:
    """`models` are those of the operator's file; others are left alone."""

    models: Mapping[str, ModelConfig]
    max_trainings: int
    hindered: Callable[[], Hindered] = field(default=Hindered)

    def __call__(self, ledger: Ledger, owned: frozenset[int], running: Mapping[str, Task]) -> Decision[Task]:
        lines = [line for line in ledger.models.values() if line.name in self.models and line.partition in owned]
        left_behind = [task for line in lines for task in self._left_behind(line, running)]
        return Decision(
            start=(*left_behind, *self._trainings(lines, running)),
            cancel=tuple(key for key in running if self._is_void(ledger, key) or self.stopped_for(ledger, key)),
        )

    def stopped_for(self, ledger: Ledger, run_id: str) -> Run | None:
        """Give the run for which the training of this one is to stop, None where it goes on."""
        run = ledger.runs.get(run_id)
        if run is None or _is_answered(run) or run.model not in self.models:
            return None
        newest = _open(run.line)[-1]
        allowed = self.models[run.model].cancel_running and not self._takes_every(run.model) and not _spared(run.line)
        return newest if newest is not run and allowed else None

    def _is_void(self, ledger: Ledger, run_id: str) -> bool:
        """Say whether somebody else has answered this run meanwhile."""
        run = ledger.runs.get(run_id)
        return run is not None and _is_answered(run)

    def _takes_every(self, model: str) -> bool:
        return self.models[model].policy == EVERY

    def _left_behind(self, line: ModelLine, running: Mapping[str, Task]) -> list[Task]:
        if self._takes_every(line.name):
            return []
        runs = _open(line)
        return [Task(run, runs[-1]) for run in runs[:-1] if run.run_id not in running]

    def _trainings(self, lines: list[ModelLine], running: Mapping[str, Task]) -> list[Task]:
        """One a model, as many as there is room for; the model that has waited longest is first."""
        hindered = self.hindered()
        trainings = [task for task in running.values() if task.superseded_by is None]
        busy = {task.run.model for task in trainings}
        waiting = [
            _open(line)[0 if self._takes_every(line.name) else -1] for line in lines if line.name not in busy and _open(line)
        ]
        # NOTE: the broker's time orders who waits for a place on this machine, and nothing else: no outcome hangs on it.
        waiting.sort(key=lambda run: (run.run_id in hindered.before, run.push.timestamp_ms, run.model))
        room = max(0, self.max_trainings - sum(task.key not in hindered.resting for task in trainings))
        return [Task(run, None) for run in waiting if run.run_id not in running][:room]


def _is_answered(run: Run) -> bool:
    return run.trained is not None or bool(run.outcome)


def _open(line: ModelLine) -> list[Run]:
    return [run for run in line.runs if not _is_answered(run)]


def _spared(line: ModelLine) -> bool:
    """Say whether a training of this model was cancelled since one last ended by itself."""
    ended, cancelled = -1, -1
    for run in line.runs:
        if run.trained is None:
            continue
        if run.trained.event.outcome != "superseded":
            ended = max(ended, run.trained.offset)
        elif run.trained.event.reason == CANCELLED:
            cancelled = max(cancelled, run.trained.offset)
    return cancelled > ended
