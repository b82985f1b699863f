"""The reload loop: looks at the line, asks rollout.py about each model, loads beside the old in a thread, swaps one pointer.

Requests never wait for it, and what it cannot load changes nothing for them. It is the only one that swaps and frees.
"""

import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from pushline.line.tail import Tail
from pushline.predictor import rollout
from pushline.predictor.errors import LoadError, LoadRefused
from pushline.predictor.giving_way import give_way
from pushline.predictor.models import Models
from pushline.predictor.on_deployed import OnDeployed
from pushline.predictor.ports import Crew, Deployment, Watch
from pushline.predictor.reports import Reports
from pushline.predictor.rollout import NO_TROUBLE, NOTHING_FOLLOWED, Coming, Followed, Sight, Step, Trouble, Wanted
from pushline.predictor.serving import Loaded

LOOK_SECONDS = 0.5
LOADS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class _Outcome:
    deployment: Deployment
    result: Loaded | LoadError
    seconds: float


@dataclass(frozen=True, slots=True)
class _Line:
    problem: str
    newest: dict[str, Deployment]  # by model, no closes
    parked: frozenset[str]


class Reloads:
    def __init__(self, tail: Tail, load: OnDeployed, models: Models, reports: Reports, watch: Watch, crew: Crew) -> None:
        self._tail, self._load, self._models, self._reports, self._watch = tail, load, models, reports, watch
        self._crew = crew
        self._followed: dict[str, Followed] = {}
        self._trouble: dict[str, Trouble] = {}
        self._coming: dict[str, Coming | None] = {}
        self._settles_at: dict[str, float] = {}
        self._failed: dict[str, str] = {}  # the sentence of the last failure, where nothing was loaded since
        self._serves: dict[str, Deployment] = {}
        self._lost: set[str] = set()  # models whose record the log lacks, as the line was told
        self._loading: set[str] = set()
        self._outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._load_slots = threading.BoundedSemaphore(LOADS_AT_ONCE)
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reloads", daemon=True)

    def recover(self) -> None:
        """Serve what this replica followed before, from its own disk, without broker or store. Call once, before start."""
        for deployment in self._load.copies.followed():
            if self._models.serves(deployment.event.model):
                self._recover(deployment)
        self._tell_readiness("")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=10)

    def wake(self) -> None:
        """Look now: something was folded."""
        self._wake.set()

    def _recover(self, deployment: Deployment) -> None:
        began = time.monotonic()
        try:
            outcome: Loaded | LoadError = self._load.from_disk(deployment)
        except LoadError as error:
            outcome = error
            self._watch.load_failed(deployment, error.reason, error.sentence)
        event = deployment.event
        self._models.know(event.model)
        self._followed[event.model] = Followed(event.deploy_seq, deployment.id, loaded=isinstance(outcome, Loaded))
        if isinstance(outcome, Loaded):
            self._adopt(_Outcome(deployment, outcome, time.monotonic() - began), outcome)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._pause())
            self._wake.clear()
            self._take_outcomes()
            self._look()
            self._models.free_retired()
            self._load.rest()

    def _pause(self) -> float:
        """Give the seconds to the next look: sooner where something is due before."""
        now = time.monotonic()
        due = [trouble.retry_at - now for trouble in self._trouble.values() if not trouble.permanent and trouble.retry_at > now]
        settled = [at - now for at in self._settles_at.values() if at > now]
        return min([LOOK_SECONDS, *due, *settled])

    def _look(self) -> None:
        line = self._see()
        if not line.problem:
            self._models.note_log_read()
        for model in line.newest.keys() | self._followed.keys():
            self._models.know(model)
            self._consider(model, line)
        names = self._models.names()
        self._crew.tell({name: not self._models.is_stale(name) for name in names}, log_read=not line.problem)
        self._tell_readiness(line.problem)

    def _see(self) -> _Line:
        with self._tail.read() as ledger:
            lines = [line for line in ledger.models.values() if self._models.serves(line.name)]
            newest = {line.name: line.newest_deployed for line in lines if line.newest_deployed is not None}
            parked = frozenset(name for name in {*newest, *self._followed} if ledger.line(name).partition in ledger.parked)
        return _Line(self._tail.problem, newest, parked)

    def _consider(self, model: str, line: _Line) -> None:
        newest = line.newest.get(model)
        followed, wanted, now = self._followed.get(model, NOTHING_FOLLOWED), _wanted(newest), time.monotonic()
        self._coming[model] = coming = rollout.after_look(self._coming.get(model), wanted, followed, now)
        settles_at = self._settles_at[model] = rollout.settles_at(coming, wanted, followed)
        sight = Sight(wanted, not line.problem, model in line.parked, model in self._loading, settles_at)
        step = rollout.next_step(sight, followed, self._trouble.get(model, NO_TROUBLE), now)
        if step is Step.LOAD and newest is not None:
            self._begin(newest)
        self._tell_lost(model, lost=rollout.is_lost(sight, followed))
        why = rollout.why_stale(sight, followed)
        self._models.note_sure(model, not why)
        self._watch.stale(model, why)

    def _tell_lost(self, model: str, *, lost: bool) -> None:
        """Say once more what is served where the log lost it, so that the deployer leaves that model to a person."""
        if lost and model not in self._lost and model in self._serves:
            self._reports.serving(self._serves[model])
            self._lost.add(model)
        elif not lost:
            self._lost.discard(model)

    def _begin(self, deployment: Deployment) -> None:
        self._loading.add(deployment.event.model)
        self._coming[deployment.event.model] = None
        threading.Thread(target=self._load_one, args=(deployment,), name="load", daemon=True).start()

    def _load_one(self, deployment: Deployment) -> None:
        if self._models.ready:
            give_way()
        with self._load_slots:
            began = time.monotonic()
            result: Loaded | LoadError = LoadRefused("crashed", "loading ended in an error of the predictor itself; see its log")
            try:
                result = self._load(deployment)
                self._crew.prepare(deployment, time.monotonic() - began)
            except LoadError as error:
                result = error
            finally:
                self._outcomes.put(_Outcome(deployment, result, time.monotonic() - began))
                self._wake.set()

    def _take_outcomes(self) -> None:
        for outcome in _drained(self._outcomes):
            self._loading.discard(outcome.deployment.event.model)
            if isinstance(outcome.result, Loaded):
                self._adopt(outcome, outcome.result)
                self._load.copies.prune(outcome.deployment.event.model)
            else:
                self._note_failure(outcome.deployment, outcome.result)

    def _adopt(self, outcome: _Outcome, loaded: Loaded) -> None:
        model = loaded.identity.model
        self._crew.swap(outcome.deployment)
        began = time.perf_counter()
        self._models.swap(loaded)
        swap_seconds = time.perf_counter() - began
        self._followed[model] = Followed(loaded.identity.deploy_seq, loaded.identity.event_id, loaded=True)
        self._trouble.pop(model, None)
        self._failed.pop(model, None)
        self._watch.swapped(loaded.identity, outcome.seconds, swap_seconds)
        self._serves[model] = outcome.deployment
        self._reports.serving(outcome.deployment)

    def _note_failure(self, deployment: Deployment, error: LoadError) -> None:
        model = deployment.event.model
        trouble = self._trouble.get(model, NO_TROUBLE)
        trouble = rollout.after_failure(trouble, deployment.id, isinstance(error, LoadRefused), time.monotonic())
        self._trouble[model] = trouble
        self._failed[model] = error.sentence
        self._watch.load_failed(deployment, error.reason, error.sentence)
        if trouble.to_report:
            self._reports.failed(deployment, error.reason, error.sentence)

    def _tell_readiness(self, problem: str) -> None:
        loaded = [name for name in self._models.names() if self._models.current(name) is not None]
        for name in loaded:
            self._watch.can_answer(name, self._models.problem(name))
        missing = [name for name in self._models.names() if self._models.current(name) is None]
        for name in missing:
            self._watch.missing(name)
        what = (
            f"nothing is loaded yet for {', '.join(self._named(name) for name in missing)}"
            if missing
            else "nothing is deployed yet"
        )
        if loaded and not missing:
            what = next((self._models.problem(name) for name in loaded if self._models.problem(name)), what)
        self._watch.ready(self._models.ready, f"{what} ({problem})" if problem else what)

    def _named(self, model: str) -> str:
        """Name a model that is not loaded, and what it waits for."""
        sentence = self._failed.get(model, "")
        return f"{model} ({sentence})" if sentence else model


def _wanted(newest: Deployment | None) -> Wanted | None:
    return Wanted(newest.event.deploy_seq, newest.id, empty=not newest.event.serving) if newest is not None else None


def _drained(queue: SimpleQueue[_Outcome]) -> list[_Outcome]:
    found: list[_Outcome] = []
    while True:
        try:
            found.append(queue.get_nowait())
        except Empty:
            return found
