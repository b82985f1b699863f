"""A further process of a predictor: it answers at the same ports as the first, which tells it what to serve. workers.py starts it.

It has doors, lanes, models and engines, and neither broker nor store nor a status port. What it serves comes from the disk that the
first one keeps, verified once more.
"""

import gc
import logging
import os
import threading
import time
from contextlib import suppress
from queue import SimpleQueue

from prometheus_client import CollectorRegistry

from pushline.predictor.adapters.disk_cache import rebuilt
from pushline.predictor.doors import Doors, Ports
from pushline.predictor.errors import LoadError
from pushline.predictor.frames import Frame, Frames, FramesBroken
from pushline.predictor.loading import from_disk
from pushline.predictor.metrics import ADDED_UP, Metrics
from pushline.predictor.ports import Deployment
from pushline.predictor.residents import Residents
from pushline.predictor.serving import Loaded
from pushline.predictor.settings import ServingSettings
from pushline.predictor.summed import numbers, plain
from pushline.predictor.turns import Turns
from pushline.runtime.logs import Logger
from pushline.runtime.shutdown import Shutdown
from pushline.runtime.status_server import CannotListen

LOOK_SECONDS = 0.5
LOADS_AT_ONCE = 4
LEADER_IS_GONE = 3


class Follower:
    """`told` runs until the other end is closed; start nothing else before `begin` has come."""

    def __init__(self, settings: ServingSettings, frames: Frames, shutdown: Shutdown, log: Logger) -> None:
        self._frames, self._shutdown, self._log = frames, shutdown, log
        self._registry = CollectorRegistry()
        self._residents = Residents(keeps=settings.keep_previous)
        self._doors = Doors(settings, Metrics(self._registry), log, self._residents, shared=True)
        self._models = self._doors.models
        self._load = from_disk(settings, self._residents, self._models.current)
        self._load_slots = threading.BoundedSemaphore(LOADS_AT_ONCE)
        self._turns, self._dropped = Turns(self._serve, self._drop), SimpleQueue[Loaded]()
        self._open = self._eases = False
        self._look = threading.Event()
        self._can_answer: dict[str, bool] = {}
        self._asked = 0

    def run(self) -> None:
        """Answer until it is time to end, and then what was taken."""
        threading.Thread(target=self._listen, name="told", daemon=True).start()
        threading.Thread(target=self._look_after, name="models", daemon=True).start()
        self._shutdown.wait()
        with suppress(FramesBroken):
            self._frames.send("leaving")
        if self._open:
            self._doors.stop()
        with suppress(FramesBroken):
            self._count()
        self._doors.close()

    def _listen(self) -> None:
        """To the end of the process: nobody says then any more what to serve."""
        does = {
            "begin": self._begin,
            "state": self._note,
            "load": self._begin_load,
            "swap": self._swap,
            "open": self._open_doors,
            "count": self._count,
            "ease": self._ease,
            "stop": self._stop,
        }
        try:
            while (frame := self._frames.receive()) is not None:
                does[frame["do"]](frame)
        except FramesBroken as error:
            self._log.warning("the first process cannot be heard any more", **{"error.message": str(error)})
        except Exception:  # a defect; another process takes the place of this one
            logging.getLogger(__name__).exception("what the first process says cannot be done")
        os._exit(LEADER_IS_GONE)

    def _begin(self, frame: Frame) -> None:
        self._doors.use(Ports(*frame["ports"]))
        self._frames.send("here")

    def _ease(self, _frame: Frame) -> None:
        self._eases = True
        self._look.set()

    def _swap(self, frame: Frame) -> None:
        self._turns.swap(frame["model"], frame["id"])

    def _stop(self, _frame: Frame) -> None:
        self._shutdown.requested.set()

    def _note(self, frame: Frame) -> None:
        if frame["log_read"]:
            self._models.note_log_read()
        for model, sure in frame["sure"].items():
            self._models.know(model)
            self._models.note_sure(model, sure)
        self._look.set()

    def _begin_load(self, frame: Frame) -> None:
        deployment = rebuilt(frame["record"])
        if deployment is None:
            raise FramesBroken("the record to load does not prove itself")
        self._turns.expect(deployment.event.model, deployment.id)
        threading.Thread(target=self._load_one, args=(deployment,), name="load", daemon=True).start()

    def _load_one(self, deployment: Deployment) -> None:
        with self._load_slots:
            try:
                loaded = self._load.from_disk(deployment)
            except LoadError as error:
                self._tell("failed", id=deployment.id, sentence=error.sentence)
                return
        self._turns.loaded(loaded)
        self._tell("loaded", id=deployment.id)

    def _serve(self, loaded: Loaded) -> None:
        self._models.swap(loaded)
        self._tell("swapped", model=loaded.identity.model, id=loaded.identity.event_id, at=time.monotonic())
        self._look.set()

    def _drop(self, loaded: Loaded) -> None:
        self._dropped.put(loaded)
        self._look.set()

    def _open_doors(self, _frame: Frame) -> None:
        """NOTE: a port that cannot be opened ends this process, and the first one says so."""
        self._tell_health()
        try:
            self._doors.start()
        except CannotListen as error:
            self._log.error("cannot listen", **{"error.message": str(error)})
            self._shutdown.requested.set()
            return
        self._open = True
        gc.freeze()  # what is there by now stays
        self._frames.send("opened")

    def _count(self, frame: Frame | None = None) -> None:
        """Raises FramesBroken."""
        self._asked = frame["number"] if frame is not None else self._asked
        self._frames.send("counted", number=self._asked, metrics=plain(numbers(self._registry.collect(), ADDED_UP)))

    def _tell(self, do: str, **more: object) -> None:
        """Who does not hear it is gone, which the listening thread finds."""
        with suppress(FramesBroken):
            self._frames.send(do, **more)

    def _look_after(self) -> None:
        while True:
            self._look.wait(LOOK_SECONDS)
            self._look.clear()
            self._models.free_retired()
            while not self._dropped.empty():
                self._residents.discard(self._dropped.get())
            if self._eases:
                self._eases = False
                self._residents.drop_spare()
            self._load.rest()
            if self._open:
                self._tell_health()

    def _tell_health(self) -> None:
        for model in self._models.names():
            can_answer = self._models.current(model) is not None and not self._models.problem(model)
            if self._can_answer.get(model) != can_answer:
                self._can_answer[model] = can_answer
                self._doors.grpc.serve_model(model, can_answer)
        self._doors.grpc.serve(self._models.ready)
