"""The first way to run code safely that works on this machine; without any, nothing is run."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from pushline.trainer.sandbox.box import Ended, Job, Sandbox, SandboxUnavailable
from pushline.trainer.sandbox.bubblewrap import FORBIDDEN


@dataclass
class Ladder:
    """Takes the place of its first rung that works; that one's name is its own."""

    rungs: Sequence[Sandbox]
    name: str = field(default="none", init=False)
    _chosen: Sandbox | None = field(default=None, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    def check(self) -> None:
        with self._guard:
            if self._chosen is None:
                self._chosen = self._first_that_works()
                self.name = self._chosen.name

    @property
    def environment_sha256(self) -> str:
        return self._rung().environment_sha256

    def run(self, job: Job, cancelled: threading.Event, /) -> Ended:
        return self._rung().run(job, cancelled)

    def _rung(self) -> Sandbox:
        self.check()
        if self._chosen is None:
            raise SandboxUnavailable("no sandbox was chosen")
        return self._chosen

    def _first_that_works(self) -> Sandbox:
        problems = []
        for rung in self.rungs:
            try:
                rung.check()
            except SandboxUnavailable as error:
                problems.append(str(error))
            else:
                return rung
        whys = [problem.removesuffix(f". {FORBIDDEN}") for problem in problems]
        is_forbidden = any(problem.endswith(FORBIDDEN) for problem in problems)
        raise SandboxUnavailable("; ".join(dict.fromkeys(whys)) + (f". {FORBIDDEN}" if is_forbidden else ""))
