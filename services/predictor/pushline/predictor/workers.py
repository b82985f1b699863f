"""The other processes of a predictor, led by the first: started, kept alive, told what to serve, asked what they counted.

They change over together: each loads a new deployment from the disk first, and when all that serve say that they can, all are told
to swap. Nobody holds the others up: who cannot load within a bound, does not listen or ends is replaced, and who begins opens its
ports once it can serve what is live.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pushline.line.patience import FURTHER_PROCESS
from pushline.predictor.adapters.disk_cache import plain
from pushline.predictor.doors import Ports
from pushline.predictor.frames import Frame, FramesBroken
from pushline.predictor.member import Member, Stage
from pushline.predictor.metrics import ADDED_UP, CrewMetrics
from pushline.predictor.ports import Deployment
from pushline.predictor.summed import Numbers, added, from_plain, lasting
from pushline.runtime.logs import Logger

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = FURTHER_PROCESS.first_seconds, FURTHER_PROCESS.longest_seconds
CALM_SECONDS = 60.0  # a process that lived so long starts the pauses anew
LOOK_SECONDS = 0.1
ASK_SECONDS, TELL_SECONDS, ANSWER_SECONDS = 1.0, 1.0, 1.0
START_SECONDS = 60.0  # on a busy machine
SILENT_SECONDS = 10.0  # a process that hangs is killed
PATIENCE_SECONDS = 10.0  # for a load, and as much for each process as the first one took
ENDING_SECONDS = 3.0  # beyond the time that calls under way have


@dataclass(slots=True)
class Place:
    """Where one process is, or is to be started again."""

    member: Member | None = None
    due: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS
    counted: Numbers = field(default_factory=dict)  # by those that were here before


@dataclass(slots=True)
class Swap:
    waiting: set[int]  # numbers of the processes that have not said so
    times: list[float]  # of one clock, which all processes of a machine share


def next_pause(pause: float, lived: float) -> tuple[float, float]:
    """Give the time until a process is started again, and the one after that. Pure."""
    now = FIRST_PAUSE_SECONDS if lived > CALM_SECONDS else pause
    return now, min(now * 2, LONGEST_PAUSE_SECONDS)


class Workers:
    """Implements Crew. Safe from any thread."""

    def __init__(
        self,
        count: int,
        spawn: Callable[[int], Member],
        metrics: CrewMetrics,
        log: Logger,
        stop_seconds: float,
    ) -> None:
        """`spawn` starts the process of a number. `stop_seconds`: what one may take to end, once it is asked to."""
        self._places = {number: Place() for number in range(1, count)}
        self._spawn, self._metrics, self._log, self._stop_seconds = spawn, metrics, log, stop_seconds + ENDING_SECONDS
        self._ports = Ports(0, 0)
        self._live: dict[str, Deployment] = {}
        self._pending: dict[str, Deployment] = {}  # the first process has it loaded, and serves it when the others have too
        self._swaps: dict[str, Swap] = {}
        self._state: dict[str, object] = {"sure": {}, "log_read": False}
        self._told_at = self._asked_at = 0.0
        self._asked = 0
        self._stopping = False
        self._changed = threading.Condition()
        metrics.processes.set_function(lambda: 1 + sum(member.stage is Stage.SERVING for member in self._members()))
        self._thread = threading.Thread(target=self._run, name="workers", daemon=True)

    def start(self, ports: Ports) -> None:
        """Return at once."""
        self._ports = ports
        self._thread.start()

    def stop(self) -> None:
        """Ask all to answer what they have taken, and to end. Does not wait."""
        with self._changed:
            self._stopping = True
            for member in self._members():
                self._ask_to_leave(member)
            self._changed.notify_all()

    def wait(self) -> None:
        """Return when all have ended; who does not is killed. Call after stop()."""
        if self._thread.is_alive():
            self._thread.join()

    def prepare(self, deployment: Deployment, seconds: float) -> None:
        patience = PATIENCE_SECONDS + seconds * (1 + len(self._places))
        with self._changed:
            self._pending[deployment.event.model] = deployment
            for member in self._members():
                member.send("load", record=plain(deployment))
            self._changed.wait_for(lambda: self._stopping or not self._late(deployment), patience)
            for member in self._late(deployment):
                self._give_up(member, f"it did not load a deployment of {deployment.event.model} within {patience:.0f} seconds")

    def swap(self, deployment: Deployment) -> None:
        model = deployment.event.model
        with self._changed:
            self._pending.pop(model, None)
            self._live[model] = deployment
            members = self._members()
            for member in members:
                member.send("swap", model=model, id=deployment.id)
            serving = {member.number for member in members if member.stage is Stage.SERVING}
            self._swaps[model] = Swap(serving, [time.monotonic()])
            self._open_complete()

    def tell(self, sure: Mapping[str, bool], *, log_read: bool) -> None:
        state, now = {"sure": dict(sure), "log_read": log_read}, time.monotonic()
        with self._changed:
            if state == self._state and now - self._told_at < TELL_SECONDS:
                return
            self._state, self._told_at = state, now
            for member in self._members():
                member.send("state", **state)

    def drop_spare(self) -> None:
        with self._changed:
            for member in self._members():
                member.send("ease")

    def told(self) -> dict[int, Numbers]:
        """Ask each what it counted; give it by number, with what was counted by those before it."""
        with self._changed:
            asked = self._ask()
            waited_for = [member for member in self._members() if member.stage is Stage.SERVING]
            self._changed.wait_for(
                lambda: all(member.answered >= asked or not self._is_here(member) for member in waited_for), ANSWER_SECONDS
            )
            return {number: self._counted(place) for number, place in self._places.items()}

    def _members(self) -> list[Member]:
        return [place.member for place in self._places.values() if place.member is not None]

    def _is_here(self, member: Member) -> bool:
        return self._places[member.number].member is member

    def _counted(self, place: Place) -> Numbers:
        return added([place.counted, place.member.told]) if place.member else place.counted

    def _late(self, deployment: Deployment) -> list[Member]:
        serving = (Stage.OPENING, Stage.SERVING)
        return [member for member in self._members() if member.stage in serving and deployment.id not in member.loaded]

    def _run(self) -> None:
        while True:
            self._start_due()
            with self._changed:
                if self._stopping and not self._members():
                    return
                self._look_after(time.monotonic())
                self._changed.wait(LOOK_SECONDS)

    def _start_due(self) -> None:
        """By this thread alone: the kernel ends them with it."""
        now = time.monotonic()
        for number, place in self._places.items():
            if place.member is None and now >= place.due and not self._stopping:
                try:
                    member = self._spawn(number)
                except OSError as error:
                    place.pause, place.due = self._later(number, 0.0, f"it could not be started: {error}")
                    continue
                with self._changed:
                    place.member = member
                    self._begin(member)
                threading.Thread(target=self._listen, args=(member,), name=f"worker {number}", daemon=True).start()

    def _begin(self, member: Member) -> None:
        """What it has to know before it opens its ports."""
        member.send("begin", ports=list(self._ports))
        member.send("state", **self._state)
        for deployment in self._live.values():
            member.send("load", record=plain(deployment))
            member.send("swap", model=deployment.event.model, id=deployment.id)
        for deployment in self._pending.values():
            member.send("load", record=plain(deployment))
        if self._stopping:
            self._ask_to_leave(member)

    def _open_complete(self) -> None:
        """Have those open their ports that can serve what is live, and what is about to be."""
        wanted = {deployment.id for deployment in (*self._live.values(), *self._pending.values())}
        for member in self._members():
            if member.here and member.stage is Stage.STARTING and wanted <= member.loaded:
                member.stage = Stage.OPENING
                member.send("open")

    def _look_after(self, now: float) -> None:
        if now - self._asked_at > ASK_SECONDS:
            self._ask()
        for member in self._members():
            if member.leave_until and now > member.leave_until:
                member.kill("it did not end in time")
            elif now - member.heard > (SILENT_SECONDS if member.here else START_SECONDS):
                member.kill(f"it said nothing for {now - member.heard:.0f} seconds")

    def _ask(self) -> int:
        self._asked, self._asked_at = self._asked + 1, time.monotonic()
        for member in self._members():
            member.send("count", number=self._asked)
        return self._asked

    def _ask_to_leave(self, member: Member) -> None:
        member.stage, member.leave_until = Stage.LEAVING, time.monotonic() + self._stop_seconds
        member.send("stop")

    def _give_up(self, member: Member, why: str) -> None:
        if member.stage is not Stage.LEAVING:
            member.why = why
            self._ask_to_leave(member)

    def _listen(self, member: Member) -> None:
        """Until it has ended."""
        try:
            while (frame := member.frames.receive()) is not None:
                with self._changed:
                    member.heard = time.monotonic()
                    self._heard(member, frame)
                    self._changed.notify_all()
        except (FramesBroken, KeyError, TypeError, ValueError) as error:
            member.kill(f"what it says cannot be understood: {error}")
        member.frames.close()
        try:
            code = member.process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            member.kill("it closed its end and went on")
            code = member.process.wait()
        with self._changed:
            self._ended(member, code)
            self._changed.notify_all()

    def _heard(self, member: Member, frame: Frame) -> None:
        """Raises KeyError, TypeError, ValueError."""
        match frame["do"]:
            case "here":
                member.here = True
                self._open_complete()
            case "loaded":
                member.loaded.add(frame["id"])
                self._open_complete()
            case "failed" if any(each.id == frame["id"] for each in (*self._live.values(), *self._pending.values())):
                self._give_up(member, f"it could not load what the others serve: {frame['sentence']}")
            case "opened" if member.stage is Stage.OPENING:
                member.stage = Stage.SERVING
                self._log.info("one more process serves", **{"labels.worker": member.number})
            case "swapped":
                self._note_swapped(frame["model"], frame["id"], member.number, float(frame["at"]))
            case "counted":
                member.told, member.answered = from_plain(frame["metrics"]), int(frame["number"])
            case "leaving":
                member.stage, member.leave_until = Stage.LEAVING, time.monotonic() + self._stop_seconds

    def _note_swapped(self, model: str, event_id: str, number: int, at: float | None) -> None:
        swap, live = self._swaps.get(model), self._live.get(model)
        if swap is None or live is None or live.id != event_id or number not in swap.waiting:
            return
        swap.waiting.discard(number)
        swap.times += [] if at is None else [at]
        if not swap.waiting:
            self._metrics.spread.observe(max(swap.times) - min(swap.times))
            del self._swaps[model]

    def _ended(self, member: Member, code: int) -> None:
        place, now = self._places[member.number], time.monotonic()
        place.member, place.counted = None, lasting(self._counted(place), ADDED_UP)
        for model in list(self._swaps):
            self._note_swapped(model, self._live[model].id, member.number, None)
        if not self._stopping:
            why = member.why or (f"it was ended by signal {-code}" if code < 0 else f"it ended with code {code}")
            place.pause, place.due = self._later(member.number, now - member.began, why)

    def _later(self, number: int, lived: float, why: str) -> tuple[float, float]:
        """Give the pause after the next one, and when to start it again."""
        pause, after = next_pause(self._places[number].pause, lived)
        self._metrics.ended.inc()
        self._log.warning("a process ended and is started again", **{"labels.worker": number, "sentence": why, "pause": pause})
        return after, time.monotonic() + pause
