"""Tells the line what this replica serves, or could not: `served` records, one a start and a change.

They fill no slot, so they are appended and not read back; the same bytes twice say the same. While the broker is away they wait
here, a bounded number of them, the newest kept.
"""

import threading
from collections import deque

from pushline.line.broker import AppendUnknown, BrokerUnavailable, Log, MessageTooLarge
from pushline.line.codec import encode
from pushline.line.events import ModelServed
from pushline.line.patience import LOAD_REPORT
from pushline.predictor.ports import Deployment

MAX_WAITING = 256
MAX_SENTENCE = 500
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = LOAD_REPORT.first_seconds, LOAD_REPORT.longest_seconds


class Reports:
    """`replica` names this one among its kind; `start` is new at every start."""

    def __init__(self, log: Log, replica: str, start: str) -> None:
        self._log, self._replica, self._start = log, replica, start
        self._waiting: deque[ModelServed] = deque(maxlen=MAX_WAITING)
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float = 2.0) -> None:
        """Send what waits if the broker takes it at once; give the rest up."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def serving(self, deployment: Deployment) -> None:
        self._say(deployment, "serving", "", "")

    def failed(self, deployment: Deployment, reason: str, sentence: str) -> None:
        self._say(deployment, "failed", f"activation_failed({reason})", sentence[:MAX_SENTENCE])

    def _say(self, deployment: Deployment, state: str, reason: str, sentence: str) -> None:
        event = deployment.event
        served = ModelServed(
            model=event.model,
            run_id=event.run_id,
            generation=event.generation,
            attempt=event.attempt,
            commit=event.commit,
            caused_by=deployment.id,
            deploy_seq=event.deploy_seq,
            digest=event.serving[0].digest if event.serving else event.digest,
            replica=self._replica,
            start=self._start,
            state=state,
            reason=reason,
            sentence=sentence,
        )
        with self._changed:
            self._waiting.append(served)
            self._changed.notify_all()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while (served := self._next()) is not None:
            if self._append(served):
                pause = FIRST_PAUSE_SECONDS
                continue
            with self._changed:
                if len(self._waiting) < MAX_WAITING:
                    self._waiting.appendleft(served)
                if self._stopping or self._changed.wait_for(lambda: self._stopping, pause):
                    return
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _next(self) -> ModelServed | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            return self._waiting.popleft() if self._waiting else None

    def _append(self, served: ModelServed) -> bool:
        """Say whether there is nothing left to do about it."""
        try:
            message = encode(served, f"pushline/predictor/{self._replica}")
        except MessageTooLarge:
            return True  # a commit message is cut to 2 KiB and the sentence above, so no record of ours gets here
        try:
            self._log.append(message)
        except (BrokerUnavailable, AppendUnknown, MessageTooLarge):  # too large for a topic that is set up wrongly
            return False
        return True
