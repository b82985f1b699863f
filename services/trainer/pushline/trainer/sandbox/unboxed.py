"""PUSHLINE_SANDBOX=off: no sandbox. Limits and the deadline hold; secrecy, network and the file system do not."""

import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from pushline.trainer.sandbox.box import Ended, Job
from pushline.trainer.sandbox.bubblewrap import environment_for
from pushline.trainer.sandbox.enclosure import SUPERVISOR, Enclosure, place_of
from pushline.trainer.sandbox.interpreter import Interpreter, look_at
from pushline.trainer.sandbox.supervised import run_supervised


@dataclass
class Unboxed:
    training_python: Path
    work_folder: Path
    name: str = field(default="off", init=False)
    _interpreter: Interpreter | None = field(default=None, init=False)

    def check(self) -> None:
        self._look()

    @property
    def environment_sha256(self) -> str:
        return self._look().environment_sha256

    def run(self, job: Job, cancelled: threading.Event, /) -> Ended:
        interpreter = self._look()
        python = str(interpreter.executable)
        self.work_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="unboxed-", dir=self.work_folder) as base:
            _link(job, base)
            enclosure = Enclosure(
                command=(python, "-I", "-S", str(SUPERVISOR), "RESULT_FD"),
                python=python,
                source=str(job.source),
                launcher=str(job.launcher),
                base=base,
                environment=environment_for(interpreter),
                counts_own_processes=False,
            )
            return run_supervised(enclosure, job, cancelled)

    def _look(self) -> Interpreter:
        if self._interpreter is None:
            self._interpreter = look_at(self.training_python)
        return self._interpreter


def _link(job: Job, base: str) -> None:
    """Nothing can be mounted here; so what is shown is linked, and could be written."""
    for shown in job.shown:
        place = Path(place_of(shown, base))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(shown.source.absolute())
