"""Each invariant is seen red on a history that breaks it, and all of them hold of a good one."""

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pushline.line.ledger import RULE_NAMES
from pushline.line.records import Record
from pushline.objects import keys
from tests.faults.invariants import INVARIANTS, Answered, Held, History, broken
from tests.faults.residues import orphans
from tests.unit.line.model import making as make
from tests.waiting import until

FIRST, SECOND = make.push("m", 1, previous=0), make.push("m", 2, previous=1, sha="bb")
TRAINED, TRAINED_2 = make.trained(FIRST, model_file="one"), make.trained(SECOND, model_file="two")
VERDICT = make.evaluated(TRAINED, "none")
VERDICT_2 = make.evaluated(TRAINED_2, make.digest("one"))
LIVE = make.deployed("promote", FIRST, "one", 1, 0, cause=make.id_of(VERDICT))
LIVE_2 = make.deployed("promote", SECOND, "two", 2, 1, baseline=make.digest("one"), cause=make.id_of(VERDICT_2))
EVENTS = (FIRST, SECOND, TRAINED, TRAINED_2, VERDICT, VERDICT_2, LIVE, LIVE_2)
IDLE = Held(resident=50_000, threads=10, descriptors=40, files=5)


def laid(*events: object) -> list[Record]:
    offsets: dict[str, int] = {}
    found = []
    for event in events:
        record = make.lay(event, 0)  # type: ignore[arg-type]
        offset = offsets.get(record.topic, 0)
        offsets[record.topic] = offset + 1
        found.append(replace(record, offset=offset))
    return found


def answer(seq: int, file: str, connection: str = "one", **more: object) -> Answered:
    return Answered(connection, "m", seq, make.digest(file), (float(seq),), **more)  # type: ignore[arg-type]


GOOD = History(
    laid(*EVENTS),
    make.PARTITIONS,
    acknowledged={FIRST.run_id: "aa", SECOND.run_id: "bb"},
    good=(FIRST.run_id, SECOND.run_id),
    answers=(answer(1, "one"), answer(2, "two"), answer(1, "one", "another")),
    right={make.digest("one"): (1.0,), make.digest("two"): (2.0,)},
    objects={keys.model_file("m", make.digest(name), "model.h5"): make.digest(name) for name in ("one", "two")},
    converged={"m": {"predictor": 2}},
    before={"trainer": IDLE},
    after={"trainer": IDLE},
)


def with_value_of_another(history: History) -> History:
    """The first training's record once more: the same id, another value."""
    spoiled = replace(history.records[2], offset=9, value=(history.records[2].value or b"") + b" ")
    return replace(history, records=[*history.records, spoiled])


BROKEN: dict[str, tuple[Callable[[History], History], str]] = {
    "an acknowledged run is not in the log": (lambda good: replace(good, acknowledged={"run": "cc"}), "INV1"),
    "an acknowledged run is open": (lambda good: replace(good, records=laid(*EVENTS[:7])), "INV1"),
    "a run has no outcome": (lambda good: replace(good, records=laid(*EVENTS[:7])), "INV2"),
    "an id has two values": (with_value_of_another, "INV3"),
    "an answer was never deployed": (lambda good: replace(good, answers=(answer(2, "one"),)), "INV5"),
    "an object has other bytes": (lambda good: replace(good, objects=dict.fromkeys(good.objects, "other")), "INV5"),
    "a call failed": (lambda good: replace(good, answers=(answer(1, "one", failure="INTERNAL"),)), "INV6"),
    "an answer is of two models": (lambda good: replace(good, answers=(replace(answer(1, "one"), y=(2.0,)),)), "INV6"),
    "a connection is told an older one": (lambda good: replace(good, answers=(answer(2, "two"), answer(1, "one"))), "INV6"),
    "a replica stays behind": (lambda good: replace(good, converged={"m": {"predictor": 2, "late": 1}}), "INV7"),
    "a good run failed": (lambda good: replace(good, records=laid(FIRST, make.trained(FIRST, "failed"))), "INV8"),
    "work is left": (lambda good: replace(good, records=laid(*EVENTS[:4])), "INV9"),
    "a service had to be started": (lambda good: replace(good, restarted_by_hand=("trainer",)), "INV9"),
    "memory grows": (lambda good: replace(good, after={"trainer": replace(IDLE, resident=200_000)}), "INV10"),
    "threads grow": (lambda good: replace(good, after={"trainer": replace(IDLE, threads=40)}), "INV10"),
    "open files grow": (lambda good: replace(good, after={"trainer": replace(IDLE, descriptors=200)}), "INV10"),
    "a process outlives its service": (lambda good: replace(good, orphans=("12 bwrap",)), "INV10"),
    "files grow": (lambda good: replace(good, after={"trainer": replace(IDLE, files=50)}), "INV10"),
}


def test_all_invariants_hold_of_a_good_history() -> None:
    assert broken(GOOD) == {}


@pytest.mark.parametrize("how", BROKEN)
def test_an_invariant_sees_a_history_that_breaks_it(how: str) -> None:
    spoil, name = BROKEN[how]

    assert INVARIANTS[name](spoil(GOOD)) != []


def test_a_failed_call_is_excused_while_its_process_is_killed() -> None:
    assert INVARIANTS["INV6"](replace(GOOD, answers=(answer(1, "one", failure="UNAVAILABLE", excused=True),))) == []


@pytest.mark.parametrize(
    ("name", "rules", "events"),
    [
        ("INV2", ("promote_slot", "promote_fence", "promote_baseline"), (*EVENTS, replace(LIVE, deploy_seq=3, previous=2))),
        ("INV3", ("trained_slot",), (*EVENTS, replace(TRAINED, sentence="once more"))),
        ("INV4", ("promote_fence", "promote_slot", "promote_baseline"), (*EVENTS, replace(LIVE, deploy_seq=3, previous=2))),
        ("INV4", ("deploy_number",), (*EVENTS, replace(LIVE, kind="redeploy", caused_by="", outcome="", deploy_seq=2, previous=2))),
    ],
)
def test_an_invariant_of_the_fold_sees_a_fold_whose_rule_is_gone(
    name: str, rules: tuple[str, ...], events: tuple[object, ...]
) -> None:
    history = replace(GOOD, records=laid(*events))
    assert INVARIANTS[name](history) == []

    assert INVARIANTS[name](replace(history, rules=RULE_NAMES - set(rules))) != []


def test_a_process_that_outlives_whoever_started_it_is_seen_by_the_folder_that_it_names(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"]
    started = subprocess.run(command, env={"TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=True)
    left = int(started.stdout)
    try:
        until(lambda: orphans(tmp_path) == [f"{left} sleep 600"], 10, "the process that is left")
    finally:
        os.kill(left, signal.SIGKILL)
    until(lambda: not orphans(tmp_path), 10)
