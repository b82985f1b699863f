"""One process of a line, held from outside: asked, frozen, killed, stopped and started again."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from pushline.cli.service_settings import HOST
from pushline.cli.supervisor import Child
from tests.waiting import until

START_SECONDS, READY_SECONDS, GRACE_SECONDS = 60.0, 60.0, 15.0


@dataclass
class Service:
    """One process of the line. Asks for the same ports at every start."""

    child: Child

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def log(self) -> Path:
        return self.child.service.log

    @property
    def work(self) -> Path:
        return Path(self.child.service.environ["PUSHLINE_WORK"])

    def start(self) -> None:
        assert self.child.ended
        self.child.start()

    def kill(self) -> None:
        """SIGKILL, to this process alone: what it leaves behind must end by itself."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.child.wait(10)

    def ask_to_stop(self, number: int = signal.SIGTERM) -> None:
        os.kill(self.pid, number)

    def exit_code(self, seconds: float = GRACE_SECONDS) -> int | None:
        """Wait for the end; None where it did not come in time."""
        if not self.child.wait(seconds) or self.child._process is None:
            return None
        return self.child._process.returncode

    @contextmanager
    def frozen(self) -> Iterator[None]:
        with frozen(self.pid):
            yield

    def listening(self) -> None:
        until(lambda: bool(self.child.ports) or self.child.ended, START_SECONDS, f"the ports of {self.child.service.name}")
        assert not self.child.ended, self.child.last_words()

    def problem(self) -> str:
        """Give what /readyz says against it, "" when it is ready."""
        ports = self.child.ports
        port = ports.get("metrics") or ports.get("http")
        try:
            with urlopen(f"http://{HOST}:{port}/readyz", timeout=5):
                return ""
        except HTTPError as error:
            with error:
                return error.read().decode()
        except (URLError, OSError) as error:
            return str(error)

    def metrics(self) -> str:
        with urlopen(f"http://{HOST}:{self.child.ports['metrics']}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def ready(self, seconds: float = READY_SECONDS) -> None:
        try:
            until(lambda: self.problem() == "", seconds, f"a ready {self.child.service.name}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.problem()}") from None


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def one_more(like: Service, folder: Path, environ: dict[str, str]) -> Iterator[Service]:
    """Run another one like it, with a folder of its own. It is bound to the thread that starts it."""
    own = {"TMPDIR": str(folder), "PUSHLINE_PORTS_FILE": str(folder / "ports.json"), **environ}
    given = like.child.service
    service = Service(Child(replace(given, environ={**given.environ, **own}, ports_file=folder / "ports.json", log=folder / "log")))
    service.start()
    try:
        service.listening()
        yield service
    finally:
        service.child.kill_group()
        service.child.wait(10)
