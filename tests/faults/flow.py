"""A flow of pushes to several models at once, each told again until it is answered 202; and what became of them, by the log."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException

from pushline.line.codec import decode
from pushline.line.records import Record
from tests.faults import repositories
from tests.faults.evidence import folded
from tests.faults.processes import FaultLine

AGAIN_SECONDS, GIVE_UP_SECONDS = 0.5, 300.0


@dataclass
class Flow:
    line: FaultLine
    models: Sequence[str]
    pause_seconds: float
    accepted: dict[str, str] = field(default_factory=dict)  # run → its model, in the order of the answers
    refused: int = 0  # answers that were no 202
    failures: list[str] = field(default_factory=list)

    @property
    def heads(self) -> list[str]:
        """Give the run of the newest push of each model."""
        return list({model: run for run, model in self.accepted.items()}.values())

    def push_on(self, number: int, stop: threading.Event) -> None:
        model, turn = self.models[number], 0
        while not stop.wait(self.pause_seconds):
            self._push(model, 2.0 + number + turn * len(self.models))
            turn += 1

    def _push(self, model: str, factor: float) -> None:
        sha = self.line.repositories[model].push(repositories.good(factor))
        pause = threading.Event()
        for _ in range(int(GIVE_UP_SECONDS / AGAIN_SECONDS)):
            run = self._told(model, sha)
            if run:
                self.line.factors[run] = factor
                self.accepted[run] = model
                return
            self.refused += 1
            pause.wait(AGAIN_SECONDS)
        self.failures.append(f"the push {sha} of {model} was never answered 202")

    def _told(self, model: str, sha: str) -> str:
        try:
            status, answer = self.line.seen.hint(model, sha)
        except (OSError, HTTPException, ValueError):  # the answer broke off
            return ""
        return str(answer["run_id"]) if status == 202 else ""


@contextmanager
def flowing(line: FaultLine, models: Sequence[str], pause_seconds: float) -> Iterator[Flow]:
    """Push to each model all the time; the last push of each is waited for until it is accepted."""
    flow, stop = Flow(line, models, pause_seconds), threading.Event()
    pushing = [threading.Thread(target=flow.push_on, args=(number, stop)) for number in range(len(models))]
    for thread in pushing:
        thread.start()
    try:
        yield flow
    finally:
        stop.set()
        for thread in pushing:
            thread.join()


def lost_of(records: Sequence[Record], accepted: Sequence[str], heads: Sequence[str], partitions: int) -> set[str]:
    """Give the accepted runs without an outcome of those that a good push may have, and the heads that are not deployed."""
    known = folded(records, partitions).runs
    may = {run: ("deployed",) if run in heads else ("deployed", "superseded") for run in accepted}
    return {run for run in accepted if run not in known or known[run].outcome not in may[run]}


def conflicting(records: Sequence[Record]) -> set[str]:
    """Give the event ids under which more than one content was written."""
    contents: dict[str, set[tuple[str, bytes, bytes]]] = defaultdict(set)
    for record in records:
        contents[decode(record).id].add((record.topic, record.key or b"", record.value or b""))
    return {each for each, found in contents.items() if len(found) > 1}


def factors_of(line: FaultLine) -> dict[str, float]:
    """Give what the model of each digest that was ever deployed multiplies by."""
    with line.seen.tail.read() as ledger:
        slots = {run_id: run.slot for run_id, run in ledger.runs.items() if run_id in line.factors}
    return {
        slot.event.digest: line.factors[run] for run, slot in slots.items() if slot is not None and slot.event.kind == "promote"
    }
