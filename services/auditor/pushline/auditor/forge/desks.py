"""All desks, one for each model with a forge; which of them write here; configuration and tokens read again when they change."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pushline.auditor.forge.desk import Desk, DeskReport, LineNotWell, Task
from pushline.auditor.forge.opening import BadForge, Opens
from pushline.auditor.forge.ports import Forge, Reports
from pushline.auditor.forge.word import Word, words
from pushline.line.broker import LineError, Log, Ownership
from pushline.line.tail import Tail
from pushline.runtime.config_watch import ConfigWatch
from pushline.runtime.forge_config import ForgeConfig
from pushline.runtime.operator_file import ModelConfig

GROUP, HEARS = "auditor", "commit"
ASK_AGAIN_SECONDS = 0.5
CATCH_UP_SECONDS = 0.5  # at once, then the membership is kept alive and it is tried again


class Share:
    """The partitions that this replica writes for: a member of the auditors' group. start(), stop()."""

    def __init__(self, log: Log, tail: Tail, changed: Callable[[], None]) -> None:
        self.owned: frozenset[int] = frozenset()
        self.problem = ""
        self._log, self._tail, self._changed = log, tail, changed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forge-share", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        self._stop.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        ownership: Ownership | None = None
        while not self._stop.is_set():
            try:
                ownership = ownership or self._log.ownership(GROUP, HEARS)
                self._own(ownership.poll())
                self.problem = ""
            except LineError as error:
                self.problem = f"broker: {error}"
            self._stop.wait(ASK_AGAIN_SECONDS)
        if ownership is not None:
            ownership.close()

    def _own(self, given: frozenset[int]) -> None:
        """Give up partitions at once; take one on once everything is folded that its last owner could have told the forge."""
        if given == self.owned:
            return
        self.owned &= given
        if not given <= self.owned and not self._tail.problem:
            self._tail.catch_up(CATCH_UP_SECONDS)
            self.owned = given
        self._changed()


class DesksReport(Protocol):
    def desk(self, model: str, kind: str) -> DeskReport: ...

    def bad(self, problem: str) -> None:
        """Configuration or token that changed cannot be used; what was there before counts on."""
        ...


@dataclass(frozen=True, slots=True)
class Office:
    """What every desk needs."""

    log: Log
    tail: Tail
    opening: Opens
    reports: Reports
    page: Callable[[str], str]  # run → address of its page, empty where none is known
    report: DesksReport


class Desks:
    """open(), start(), wake() with the models of every fold, read_again() when a file changed, stop()."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._share = Share(office.log, office.tail, lambda: self.wake(self._desks.keys()))
        self._watch = ConfigWatch(office.opening.path, lambda: self.files, self.read_again)
        self._share_runs = self._runs = False
        self._lock = threading.RLock()
        self._desks: dict[str, Desk] = {}
        self._bad = ""

    @property
    def problems(self) -> dict[str, str]:
        """What is not at a forge, and why. It makes nobody unready: the line goes on without."""
        with self._lock:
            found = {f"forge of {model}": desk.problem for model, desk in self._desks.items()}
        found |= {"forges": "; ".join(filter(None, (self._bad, self._share.problem)))}
        return {part: problem for part, problem in found.items() if problem}

    @property
    def waiting(self) -> int:
        with self._lock:
            return sum(desk.waiting for desk in self._desks.values())

    @property
    def configs(self) -> tuple[ForgeConfig, ...]:
        with self._lock:
            return tuple(desk.config for desk in self._desks.values())

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that are read again when they change, beside the operator's file."""
        return tuple(file for config in self.configs for file in (config.token_file, config.ca_file) if file is not None)

    def open(self) -> None:
        """Raises BadForge, and then nothing has changed."""
        wanted = [(model, config) for model in self._office.opening.models() if (config := model.forge) is not None]
        forges = [(model, config, self._office.opening.open(model, config)) for model, config in wanted]
        with self._lock:
            for name in self._desks.keys() - {model.name for model, _ in wanted}:
                self._desks.pop(name).stop(0.0)
            for model, config, forge in forges:
                self._put(model, config, forge)
        self._bad = ""
        if self._runs:
            self._start_desks()

    def read_again(self) -> None:
        """Must not raise: a file that is wrong now is told, and what was read before counts on."""
        try:
            self.open()
        except BadForge as error:
            self._bad = str(error)
            self._office.report.bad(str(error))

    def start(self) -> None:
        self._runs = True
        self._watch.start()
        self._start_desks()

    def _start_desks(self) -> None:
        """Join the group of auditors with the first desk: who tells no forge needs no right to it."""
        with self._lock:
            desks = list(self._desks.values())
        if desks and not self._share_runs:
            self._share_runs = True
            self._share.start()
        for desk in desks:
            desk.start()

    def wake(self, models: Iterable[str]) -> None:
        with self._lock:
            for model in models:
                if model in self._desks:
                    self._desks[model].wake()

    def stop(self, timeout_seconds: float) -> None:
        self._watch.stop()
        with self._lock:
            desks = list(self._desks.values())
        deadline = time.monotonic() + timeout_seconds
        for desk in desks:
            desk.stop(0.0)
        for desk in desks:
            desk.stop(max(0.0, deadline - time.monotonic()))
        if self._share_runs:
            self._share.stop(max(0.0, deadline - time.monotonic()))

    def _put(self, model: ModelConfig, config: ForgeConfig, forge: Forge) -> None:
        """Keep a desk whose project is the same: it remembers what stands there."""
        task = Task(model.name, config, self._office.reports, self._office.page)
        there = self._desks.get(model.name)
        if there is not None and _place(there.config) == _place(config):
            there.use(task, forge)
            return
        if there is not None:
            there.stop(0.0)
        report = self._office.report.desk(model.name, config.kind)
        self._desks[model.name] = Desk(task, forge, lambda: self._words(model.name), report)

    def _words(self, model: str) -> Mapping[str, Word] | None:
        with self._office.tail.read() as ledger:
            if self._office.tail.problem:
                raise LineNotWell
            line = ledger.line(model)
            return words(line) if line.partition in self._share.owned - ledger.parked.keys() else None


def _place(config: ForgeConfig) -> tuple[str, str, str]:
    return config.kind, config.api, config.project
