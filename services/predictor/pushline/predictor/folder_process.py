"""A predictor for the one model of a folder, without a line: the same door over gRPC, lanes, engine and warm-up, and nothing else.

It answers at a socket of the file system, or at a port. For people who want to try a model, and for the evaluator, which asks it
before anybody else does.
"""

import gc
import os
import socket
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry

from pushline.predictor.errors import LoadError, LoadRefused
from pushline.predictor.grpc_server import GrpcServer
from pushline.predictor.lanes import lanes_of
from pushline.predictor.metrics import Metrics
from pushline.predictor.model_folder import ModelFolder
from pushline.predictor.models import Models
from pushline.predictor.serving import Loaded
from pushline.predictor.settings import SWITCH_SECONDS, ServingSettings
from pushline.predictor.trust import UNIX, Trust
from pushline.runtime import logs, ports_file
from pushline.runtime.logs import Logger
from pushline.runtime.settings import SettingsError, read
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.status_server import CannotListen

WRONG, REFUSED, POSTPONED = 2, 3, 4  # exit codes: options or settings; the model itself; this machine, or what it has
LOOK_SECONDS = 0.5
PRIVATE = 0o177  # umask of what this user alone may reach
LONGEST_PATH = 107  # bytes; the kernel's
UNFINISHED = ".new"  # behind the name of a socket that nobody listens at yet


class OneModel:
    """start() listens, with the model ready; stop() drains. A socket is there once it is listened at, not before."""

    def __init__(self, loaded: Loaded, settings: ServingSettings, at: Path | None, log: Logger) -> None:
        """Raises SettingsError."""
        self._at = at
        self._name, metrics = loaded.identity.model, Metrics(CollectorRegistry())
        self._models = Models(frozenset({self._name}), clock=lambda: 0.0)  # what is in the folder is the newest there is, for ever
        self._models.swap(loaded)
        self._models.note_sure(self._name, sure=True)
        bind = settings.process.bind if at is None else f"{UNIX}{_unfinished(at)}"
        self._trust = Trust(settings.trust, bind, log)
        lanes = lanes_of(self._models, settings, metrics)
        self.grpc = GrpcServer(settings.door, bind, lanes, metrics, self._trust)

    def start(self) -> None:
        """Raises CannotListen."""
        self.tell_health()
        self._trust.start()
        before = os.umask(PRIVATE)
        try:
            self.grpc.start()
        finally:
            os.umask(before)
        if self._at is not None:
            _unfinished(self._at).replace(self._at)

    def tell_health(self) -> None:
        self.grpc.serve(self._models.ready)
        self.grpc.serve_model(self._name, self._models.ready)

    def stop(self) -> None:
        """The model stays until the last call has its answer."""
        self.grpc.stop()
        self._trust.stop()
        self._models.close()
        if self._at is not None:
            self._at.unlink(missing_ok=True)


def main(folder: Path, at: Path | None, port: str | None, environ: Mapping[str, str]) -> int:
    """Give the exit code."""
    log = logs.configure("pushline-predictor")
    try:
        _run(folder, at, port, environ, log)
    except (SettingsError, CannotListen) as error:
        option = "--grpc-port" if at is None else "--socket"
        sys.stderr.write(f"{str(error).replace('PUSHLINE_GRPC_PORT', option)}\n")
        return WRONG
    except LoadError as error:
        sys.stderr.write(f"--model: {error.sentence}\n")
        return REFUSED if _is_its_own_fault(error) else POSTPONED
    return 0


def _is_its_own_fault(error: LoadError) -> bool:
    """Say so of the model, but where this machine has too little memory at the moment."""
    return isinstance(error.__cause__, MemoryError) or (isinstance(error, LoadRefused) and error.reason != "memory")


def _run(folder: Path, at: Path | None, port: str | None, environ: Mapping[str, str], log: Logger) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    shutdown = Shutdown()
    shutdown.install()
    if at is not None:
        make_way(at)
    model = ModelFolder.read(folder)
    settings = _settings(model.wanted.model, folder, port, environ)
    log.info("opening", **{"labels.model": model.wanted.model, "labels.digest": model.wanted.digest})
    serving = OneModel(model.opened(settings), settings, at, log)
    serving.start()
    gc.freeze()  # as in process.py
    gc.enable()
    _announce(serving, at, settings, log)
    while not shutdown.requested.wait(LOOK_SECONDS):
        serving.tell_health()  # a model that TensorFlow serves may have lost its process
    log.info("stopping")
    serving.stop()


def _settings(model: str, folder: Path, port: str | None, environ: Mapping[str, str]) -> ServingSettings:
    """What is set for every predictor, but for models, cache and port. Raises SettingsError."""
    own = {"PUSHLINE_CACHE": str(folder), "PUSHLINE_MODELS": model, "PUSHLINE_GRPC_PORT": port or "0"}
    return read(ServingSettings, {**environ, **own})


def _announce(serving: OneModel, at: Path | None, settings: ServingSettings, log: Logger) -> None:
    if at is None:
        ports_file.announce(log, {"grpc": serving.grpc.port}, settings.process.ports_file)
    else:
        log.info("listening", **{"labels.socket": str(at)})


def _unfinished(at: Path) -> Path:
    path = at.absolute()
    return path.with_name(f"{path.name}{UNFINISHED}")


def make_way(at: Path) -> None:
    """Remove a socket at which nobody listens any more. Raises SettingsError."""
    path = at.absolute()
    if len(os.fsencode(_unfinished(path))) > LONGEST_PATH:
        most = LONGEST_PATH - len(UNFINISHED)
        raise SettingsError((f"--socket: {path} is longer than {most} bytes, the most that the path of a socket here can have",))
    if not path.parent.is_dir():
        raise SettingsError((f"--socket: there is no folder {path.parent}",))
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise SettingsError((f"--socket: {path} is there already, and no socket",))
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as other:
        if other.connect_ex(str(path)) == 0:
            raise SettingsError((f"--socket: somebody listens at {path} already",))
    path.unlink(missing_ok=True)
