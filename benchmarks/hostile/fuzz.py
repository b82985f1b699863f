"""Very many wrong requests, one after the other on a few connections: each is answered, none as the server's own fault."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

import grpc

from benchmarks.hostile import json_fuzz, protobuf_fuzz
from benchmarks.hostile.subject import Subject
from tests.fixtures.predictor.http2 import HOST

OURS = ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED", "DATA_LOSS")  # never by a caller's fault
THREADS, TIMEOUT_SECONDS, SHOWN = 4, 30.0, 5
JSON_PART = 0.3
FLAT_FACTOR, FLAT_MIB = 1.05, 8.0  # what the memory after all of them may be above that after the first tenth
PEAK_MIB = 64.0  # above the memory before


@dataclass
class Fuzzed:
    seed: int
    n: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # what was answered as no caller's fault may be
    resident: list[float] = field(default_factory=list)  # before, after the first tenth, after all
    peak: float = 0.0
    same_process: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, code: str, wrong: str) -> None:
        with self._lock:
            self.n += 1
            self.codes[code] += 1
            if wrong:
                self.wrong.append(f"{code}: {wrong}")

    @property
    def figures(self) -> dict[str, object]:
        memory = {"resident_mib": self.resident, "peak_mib": self.peak}
        return {"seed": self.seed, "n": self.n, "codes": dict(self.codes), "wrong": self.wrong, **memory}

    @property
    def most_resident(self) -> float:
        return self.resident[1] * FLAT_FACTOR + FLAT_MIB

    @property
    def problems(self) -> list[str]:
        before, _, after = self.resident
        found = [f"{len(self.wrong)} answers that no request may get: {self.wrong[:SHOWN]}"] if self.wrong else []
        if after > self.most_resident:
            found.append(f"memory grew to {after:.0f} MiB; the bound is {self.most_resident:.0f}")
        if self.peak > before + PEAK_MIB:
            found.append(f"memory went from {before:.0f} to {self.peak:.0f} MiB at once; the bound is {PEAK_MIB:.0f} more")
        if not self.same_process:
            found.append("the predictor was started again")
        return [f"fuzz: {each}" for each in found]


def fuzz(subject: Subject, n: int, seed: int) -> Fuzzed:
    found, pid = Fuzzed(seed), subject.service.pid
    found.resident.append(subject.resident)
    for first, last in ((0, n // 10), (n // 10, n)):
        json_from = last - int((last - first) * JSON_PART)
        _share(range(first, json_from), lambda numbers: _grpc(subject, found, numbers))
        _share(range(json_from, last), lambda numbers: _rest(subject, found, numbers))
        found.resident.append(subject.resident)
    found.peak = subject.peak
    found.same_process = subject.service.pid == pid and not subject.service.child.ended
    return found


def _share(numbers: range, work: Callable[[range], None]) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(work, numbers[start::THREADS]) for start in range(THREADS)]:
            done.result()


def _grpc(subject: Subject, found: Fuzzed, numbers: range) -> None:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"{HOST}:{subject.grpc}", options) as channel:
        for number in numbers:
            method, data = protobuf_fuzz.call(found.seed, number)
            ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
            code, words = _code(ask, data)
            told = f"{method} number {number}: {words}; {len(data)} bytes {data[:120].hex()}"
            found.note(code, told if code in OURS else "")


def _code(ask: "grpc.UnaryUnaryMultiCallable[bytes, bytes]", data: bytes) -> tuple[str, str]:
    told = ask.future(data, timeout=TIMEOUT_SECONDS)
    return told.code().name, (told.details() or "")[:200]


def _rest(subject: Subject, found: Fuzzed, numbers: range) -> None:
    connection = HTTPConnection(HOST, subject.rest, timeout=TIMEOUT_SECONDS)
    for number in numbers:
        asked = json_fuzz.request(found.seed, number)
        status, words = _status(connection, asked)
        if not status:  # the server may have closed the connection after the answer before
            status, words = _status(connection, asked)
        told = f"{asked.method[:8]} {asked.path[:80]} number {number}: {words}; {(asked.body or b'')[:200]!r}"
        found.note(str(status or "no answer"), told if status >= 500 or not status else "")
    connection.close()


def _status(connection: HTTPConnection, asked: json_fuzz.Request) -> tuple[int, str]:
    """Give 0 and the reason where the connection ended without an answer."""
    try:
        connection.request(asked.method, asked.path, asked.body, asked.headers)
        with connection.getresponse() as answer:
            return answer.status, answer.read()[:200].decode(errors="replace")
    except (HTTPException, OSError) as error:
        connection.close()
        return 0, f"{type(error).__name__} {error}"


def table(found: Fuzzed) -> str:
    before, tenth, after = found.resident
    codes = ", ".join(f"{count} {code}" for code, count in found.codes.most_common())
    goal = f"memory after all at most that after a tenth * {FLAT_FACTOR} + {FLAT_MIB:.0f} MiB, peak at most {PEAK_MIB:.0f} MiB more"
    lines = [
        f"### Fuzzed requests, seed {found.seed} (goal: none answered {', '.join(OURS)} or 5xx; {goal})",
        "",
        "| n | wrong answers | MiB before | after a tenth | after all | peak | answers |",
        "|---|---|---|---|---|---|---|",
        f"| {found.n} | {len(found.wrong)} | {before:.0f} | {tenth:.0f} | {after:.0f} | {found.peak:.0f} | {codes} |",
    ]
    return "\n".join(lines) + "\n"
