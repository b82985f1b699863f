"""Each attack with right requests beside it: how many of them were answered, how fast, and what it cost the predictor."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.hostile.attacks import ATTACKS
from benchmarks.hostile.legitimate import traffic
from benchmarks.hostile.subject import Subject

NOBODY = "nobody attacks"
LEAST_SUCCESS = 0.999
PEAK_MIB = 160.0  # above what it had before: REST may hold 8 bodies of 16 MiB, and the calls of gRPC some
START_SECONDS, END_SECONDS = 60.0, 60.0


@dataclass(frozen=True)
class Suffered:
    attack: str
    struck: dict[str, int]
    n: int
    success: float
    p50_ms: float
    p99_ms: float
    resident_before: float
    resident_after: float
    peak: float
    failures: list[str]
    same_process: bool

    @property
    def problems(self) -> list[str]:
        found = []
        if self.success < LEAST_SUCCESS:
            found.append(f"{self.success:.2%} of {self.n} succeeded; the goal is {LEAST_SUCCESS:.1%}: {self.failures[:3]}")
        if self.peak > self.resident_before + PEAK_MIB:
            found.append(f"memory went from {self.resident_before:.0f} to {self.peak:.0f} MiB; the bound is {PEAK_MIB:.0f} more")
        if not self.same_process:
            found.append("the predictor was started again")
        return [f"{self.attack}: {each}" for each in found]


def suffer(subject: Subject, attack: str, seconds: float, most: int) -> Suffered:
    """`most` bounds how often the attack strikes."""
    pid, before = subject.service.pid, subject.resident
    struck: dict[str, int] = {}
    with attacking(subject, attack, seconds, most, struck), traffic(subject) as seen:
        time.sleep(seconds)
    return Suffered(
        attack=attack,
        struck=struck,
        n=seen.n,
        success=seen.success,
        p50_ms=seen.quantile_ms(0.5),
        p99_ms=seen.quantile_ms(0.99),
        resident_before=before,
        resident_after=subject.resident,
        peak=subject.peak,
        failures=seen.failures[:20],
        same_process=subject.service.pid == pid and not subject.service.child.ended,
    )


@contextmanager
def attacking(subject: Subject, attack: str, seconds: float, most: int, struck: dict[str, int]) -> Iterator[None]:
    """Returns once the attack goes on; `struck` is filled at its end."""
    if attack == NOBODY:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.hostile.attacks", attack, str(subject.grpc), str(subject.rest)]
    with subprocess.Popen([*command, str(seconds + 1), str(most)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "attacking\n", f"{attack} did not begin"
            yield
            struck.update(json.loads(process.communicate(timeout=END_SECONDS)[0]))
        finally:
            process.kill()


def all_of_them(subject: Subject, seconds: float, most: int, attacks: Sequence[str] = tuple(ATTACKS)) -> list[Suffered]:
    return [suffer(subject, attack, seconds, most) for attack in (NOBODY, *attacks)]


def table(rows: list[Suffered]) -> str:
    lines = [
        f"### Right requests beside attacks, four clients (goal: {LEAST_SUCCESS:.1%}, memory at most {PEAK_MIB:.0f} MiB more)",
        "",
        "| attack | how often | n | success | p50 ms | p99 ms | MiB before | after | peak so far |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        struck = ", ".join(f"{count} {name}" for name, count in row.struck.items()) or "-"
        figures = f"{row.n} | {row.success:.2%} | {row.p50_ms:.1f} | {row.p99_ms:.1f}"
        memory = f"{row.resident_before:.0f} | {row.resident_after:.0f} | {row.peak:.0f}"
        lines.append(f"| {row.attack} | {struck} | {figures} | {memory} |")
    return "\n".join(lines) + "\n"
