"""Promises 7 and 11: what is bad hurts nobody else, and no secret leaves the place where it belongs."""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pushline.client import Client, PredictionFailed
from pushline.line.records import Message, Record
from pushline.line.topics import TOPICS
from tests.e2e.running_line import secret_of
from tests.faults import repositories
from tests.faults.canaries import Search
from tests.faults.evidence import NAMES, all_records, report
from tests.faults.places import Place, own_place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.procfs import told

SECRETS = {"webhook": secret_of("canary").decode(), "emit": "canary-of-the-emitter-20b4"}
DEAD = tuple(topic.dead_letters for topic in TOPICS)
LETTER = "pushline-dlq-id"
# What a script that wants to know everything would print; its output goes into the store.
CURIOUS = """
import glob, os
print(dict(os.environ))
for path in sorted(glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + glob.glob("/etc/*") + glob.glob("/tmp/*")):
    try:
        print(path, open(path, "rb").read())
    except OSError as error:
        print(path, error)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give servers of our own: the store's secret key is a random one."""
    with own_place(tmp_path_factory.mktemp("place")) as servers:
        yield servers


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place, stub_python: Path) -> Iterator[FaultLine]:
    wish = Wish(dict.fromkeys(("good", "bad", "canary"), ""), stub_python, emit_secret=SECRETS["emit"])
    with fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
        yield running


def poison(line: FaultLine) -> list[Record]:
    """Append what is no event to every topic, in front of the good model's next records."""
    nonsense = [
        (b"\x00\xff not JSON", ()),
        (b"{}", (("ce_specversion", b"1.0"),)),
        (b"[" * 5000, (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"dev.pushline.commit.v1"))),
    ]
    return [line.seen.log.append(Message(topic.name, b"good", value, headers)) for topic in TOPICS for value, headers in nonsense]


def letters(line: FaultLine) -> list[tuple[str, int, int]]:
    """Give where each dead letter came from."""
    found = []
    for record in all_records(line.seen.log, DEAD):
        headers = {name: (data or b"").decode() for name, data in record.headers}
        origin = headers["_dlq.errors.topic"], int(headers["_dlq.errors.partition"]), int(headers["_dlq.errors.offset"])
        assert headers[LETTER]
        assert headers["_dlq.errors.message"]
        found.append(origin)
    return sorted(found)


def abuse(line: FaultLine) -> None:
    """Send what no honest caller sends to every door."""
    ports = line.seen.told["ports"]
    for port in (ports["trainer"]["webhook"], ports["predictor"]["grpc"], ports["trainer"]["metrics"], ports["auditor"]["http"]):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
            wire.sendall(b"\x16\x03\x01\xff" * 500 + b"\r\n\r\n")
    assert line.seen.post(b"{}", b"a wrong secret that is long enough")[0] == 401
    assert line.seen.post(b"[" * 10_000, secret_of("bad"))[0] == 400
    assert line.seen.post(json.dumps({"ref": 3}).encode(), secret_of("bad"))[0] == 400
    with Client(line.seen.grpc) as client:
        for rows in ([[1.0]], [[float("nan")] * 4], []):
            with pytest.raises(PredictionFailed):
                client.predict(rows, model="good")


def test_the_search_finds_a_secret_in_every_form() -> None:
    secret = SECRETS["emit"]
    for shift in range(5):
        for hidden in (secret.encode(), secret.encode()[::-1], secret.encode().hex().encode()):
            assert found_in(b"x" * shift + hidden + b"y")
        assert found_in(base64.b64encode(b"x" * shift + secret.encode() + b"and more"))
    assert not found_in(b"nothing of that kind")


def found_in(data: bytes) -> list[str]:
    search = Search(SECRETS)
    search.look("here", data)
    return search.found


@pytest.mark.timeout(600)
def test_planted_secrets_are_in_no_record_object_log_or_process_of_the_sandbox(
    line: FaultLine, place: Place, say: Callable[[str], None]
) -> None:
    search = Search({**SECRETS, "store": place.store.secret_key})
    files = repositories.good(5.0, gated=True)
    run = line.seen.push("canary", {**files, "train.py": CURIOUS + str(files["train.py"])}, "curious")
    line.factors[run] = 5.0
    line.waits_for_the_gate(run)
    seen = {(pid, what): told(pid, what) for pid in line.sandboxed() for what in ("environ", "cmdline")}
    for (pid, what), text in seen.items():
        search.look(f"{what} of process {pid}", text.encode())
    repositories.open_gates(line.services["trainer"].work)
    line.deployed(run)
    line.answers("canary", run)
    emitted = line.seen.command("emit", "--model", "canary", "--sha", line.repositories["canary"].git("rev-parse", "HEAD"))
    assert emitted.returncode == 0, emitted.stderr

    search.look("output of emit", (emitted.stdout + emitted.stderr).encode())
    for record in all_records(line.seen.log, (*DEAD, *NAMES)):
        search.look(f"{record.topic}/{record.partition}/{record.offset}", repr(record).encode() + (record.value or b""))
    for prefix in ("models/canary/", "runs/canary/", "datasets/canary/"):
        for key in line.seen.store.list(prefix):
            search.look(key, key.encode() + line.seen.store.read_bytes(key, 1 << 26))
    for name, service in line.services.items():
        search.look(f"log of the {name}", service.log.read_bytes())
        for path in service.work.rglob("*"):
            if path.is_file():
                search.look(str(path), path.read_bytes())

    assert "launch.py" in "".join(seen.values())  # the script itself was among them, and could be read
    assert "LANG=C.UTF-8" in "".join(seen.values())
    assert "training" in log_of(line, run)
    assert search.found == []
    say(report("canaries", search.searched, 0, 0, processes_watched=len(seen) // 2))


def log_of(line: FaultLine, run: str) -> str:
    keys = [key for key in line.seen.store.list(f"runs/canary/{run}/tries/") if key.endswith("/log.txt")]
    return "".join(line.seen.store.read_bytes(key, 1 << 24).decode(errors="replace") for key in keys)


@pytest.mark.timeout(600)
def test_bad_models_records_and_requests_leave_the_others_alone_and_are_laid_aside_once(
    line: FaultLine, say: Callable[[str], None]
) -> None:
    poisoned: list[Record] = []
    for trial in range(3):
        wrong = repositories.bad(2.0) if trial else {**repositories.good(2.0), "train.py": "raise SystemExit('no')"}
        poisoned += poison(line)
        bad = line.seen.push("bad", wrong, f"bad {trial}")
        run = line.push("good", 2.0 + trial)
        line.deployed(run)
        line.answers("good", run)
        abuse(line)
        line.answers("good", run)
        assert line.seen.ended(bad).outcome in ("failed", "rejected")
    line.kill()
    line.start()
    run = line.push("good", 8.0)  # by its end everything in front of it was read again
    line.deployed(run)
    line.answers("good", run)

    assert letters(line) == sorted((record.topic, record.partition, record.offset) for record in poisoned)
    with line.seen.tail.read() as ledger:
        assert ledger.line("bad").live == ()
    say(report("poison", len(poisoned), 0, 0, good_runs=4, dead_letters=len(poisoned)))
