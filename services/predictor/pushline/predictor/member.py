"""One more process of this predictor, seen from the first: started, told, and known by what it said last."""

import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from pushline.predictor.frames import Frames, FramesBroken
from pushline.predictor.summed import Numbers

PROGRAM = "pushline.predictor.worker"


class Stage(Enum):
    STARTING = "starting"  # its ports are closed
    OPENING = "opening"  # it can serve all that the others serve
    SERVING = "serving"
    LEAVING = "leaving"  # it answers what it has taken


@dataclass(eq=False)
class Member:
    """Its owner holds a lock over all of it."""

    number: int
    process: "subprocess.Popen[bytes]"
    frames: Frames
    began: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    stage: Stage = Stage.STARTING
    here: bool = False  # it runs and listens
    loaded: set[str] = field(default_factory=set)  # ids of records that it can serve
    told: Numbers = field(default_factory=dict)  # its metrics
    answered: int = 0  # the newest question for them
    why: str = ""  # it is ended; empty: by itself
    leave_until: float = 0.0  # once it was asked to end

    def send(self, do: str, **more: object) -> None:
        """Who does not take it hangs, and is killed."""
        try:
            self.frames.send(do, **more)
        except FramesBroken as error:
            self.kill(f"it cannot be told anything: {error}")

    def kill(self, why: str) -> None:
        self.why = self.why or why
        self.stage = Stage.LEAVING
        self.process.kill()


def spawn(number: int, environ: Mapping[str, str]) -> Member:
    """Start one. It ends with the thread that calls this, which has to live as long as the process. Raises OSError."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            command = [sys.executable, "-m", PROGRAM, str(number), str(theirs.fileno())]
            process = subprocess.Popen(command, env=dict(environ), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    except OSError:
        ours.close()
        raise
    return Member(number, process, Frames(ours))
