"""An older copy of broker or store is put back, as docs/RESTORE.md says: predictors serve on, nothing is deployed unasked."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushline.client import Client
from pushline.line.ledger import Ledger
from pushline.servers.native import NativeServer
from tests.e2e.running_line import environment
from tests.faults import repositories
from tests.faults.places import own_place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.test_faults_servers import all_say
from tests.waiting import until

MODEL = "digits"
HEALED_SECONDS = 90.0
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "RESTORE.md").read_text(encoding="utf-8")
SHOWN = {" ".join(command.split()[:2]) for command in re.findall(r"^ *(pushline .+)$", PAGE, re.MULTILINE)}
USED: set[str] = set()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, stub_python: Path) -> Iterator[FaultLine]:
    wish = Wish({MODEL: 'reconcile_interval = "1s"\n'}, stub_python)
    with own_place(tmp_path_factory.mktemp("place")) as place, fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
        yield running


def command(line: FaultLine, *words: str) -> tuple[int, str]:
    USED.add(f"pushline {words[0]}")
    if words[0] not in {"topics", "store"}:
        done = line.seen.command(*words)
        return done.returncode, f"{done.stdout}{done.stderr}"
    store = line.seen.told["store"]
    settings = {
        "PUSHLINE_KAFKA": line.seen.told["kafka"],
        "PUSHLINE_S3_ENDPOINT": store["endpoint"],
        "PUSHLINE_S3_BUCKET": store["bucket"],
        "PUSHLINE_S3_ACCESS_KEY": store["access_key"],
        "PUSHLINE_S3_SECRET_KEY": store["secret_key"],
    }
    arguments = [sys.executable, "-m", "pushline.cli", *words]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment() | settings, timeout=120)
    return done.returncode, f"{done.stdout}{done.stderr}"


def server(line: FaultLine, name: str) -> NativeServer:
    found = line.servers[name]
    assert isinstance(found, NativeServer)
    return found


def copied(line: FaultLine, name: str, to: Path) -> Path:
    server(line, name).stop()
    shutil.copytree(server(line, name).folder, to)
    server(line, name).start()
    return to


def put_back(line: FaultLine, name: str, copy: Path) -> None:
    server(line, name).stop()
    shutil.rmtree(server(line, name).folder)
    shutil.copytree(copy, server(line, name).folder)
    server(line, name).start()


def answers_with(line: FaultLine) -> tuple[str, bool]:
    """Give the digest of an answer, and whether it is marked stale."""
    with Client(line.seen.grpc) as client:
        answer = client.predict(repositories.X, model=MODEL)
    return answer.digest, answer.stale


def numbers(line: FaultLine) -> list[tuple[str, int]]:
    with line.seen.tail.read() as ledger:
        return [(entry.event.kind, entry.event.deploy_seq) for entry in ledger.line(MODEL).deployments if entry.event.deploy_seq]


def judged_again(ledger: Ledger, sha: str) -> str | None:
    """Give the digest of a commit whose records were lost, once it was trained and judged anew."""
    found = [run for run in ledger.line(MODEL).runs if run.commit.sha == sha]
    return found[0].trained.event.digest if found and found[0].verdict is not None and found[0].trained is not None else None


def settled(line: FaultLine) -> None:
    until(lambda: not line.seen.tail.problem or None, HEALED_SECONDS, "a reader of the restored log")


@pytest.mark.timeout(600)
def test_an_older_broker_lets_predictors_serve_on_and_waits_for_a_person_who_says_what_serves(
    line: FaultLine, tmp_path: Path
) -> None:
    line.deployed(line.push(MODEL, 2.0), 90)
    line.all_ready(HEALED_SECONDS)
    copy = copied(line, "broker", tmp_path / "broker")
    line.all_ready(HEALED_SECONDS)
    lost = line.push(MODEL, 3.0)
    line.deployed(lost, 90)
    line.answers(MODEL, lost)
    newer, _ = answers_with(line)
    sha = line.run(lost).commit.sha

    put_back(line, "broker", copy)

    all_say(line, ("deployer",), "a replica serves a deploy_seq that the log does not know: digits")
    assert answers_with(line) == (newer, True)
    settled(line)
    again = line.seen.tail.wait_until(lambda ledger: judged_again(ledger, sha), HEALED_SECONDS)  # found by looking
    assert numbers(line) == [("promote", 1)]
    code, said = command(line, "status")
    assert code == 0, said
    assert MODEL in said
    assert "deploy_seq that the log does not know" in " ".join(command(line, "doctor")[1].split())
    code, said = command(line, "topics", "check")
    assert code == 0, said

    code, said = command(line, "redeploy", "--model", MODEL, "--to", again[:12], "--reason", "restored the broker of Monday")

    assert code == 0, said
    until(lambda: answers_with(line) == (again, False) or None, 30, "the predictor to be sure again")
    assert numbers(line) == [("promote", 1), ("redeploy", 3)]
    line.all_ready(HEALED_SECONDS)
    run = line.push(MODEL, 4.0)
    line.deployed(run, 90)
    line.answers(MODEL, run)


@pytest.mark.timeout(600)
def test_an_older_store_costs_no_answer_is_refused_by_name_and_redeploy_and_rerun_mend_it(line: FaultLine, tmp_path: Path) -> None:
    line.all_ready(HEALED_SECONDS)
    kept = line.push(MODEL, 4.5)
    line.deployed(kept, 90)
    line.answers(MODEL, kept)
    whole, _ = answers_with(line)
    copy = copied(line, "store", tmp_path / "store")
    line.all_ready(HEALED_SECONDS)
    lost = line.push(MODEL, 5.0)
    line.deployed(lost, 90)
    line.answers(MODEL, lost)
    run = line.push(MODEL, 6.0)
    line.deployed(run, 90)
    line.answers(MODEL, run)
    digest, _ = answers_with(line)
    gone = line.run(lost).trained
    assert gone is not None
    before = numbers(line)

    put_back(line, "store", copy)
    line.all_ready(HEALED_SECONDS)

    assert answers_with(line) == (digest, False)
    assert command(line, "store", "check")[0] == 0
    is_refused(line, gone.event.digest)
    assert numbers(line) == before
    line.kill(("predictor",))
    line.start_again(("predictor",))
    until(lambda: answers_with(line)[0] == digest or None, 60, "a restarted predictor that serves from its own disk")
    mend(line, run, whole)
    assert answers_with(line) == (digest, False)


def is_refused(line: FaultLine, digest: str) -> None:
    """Nothing goes live whose files are lost."""
    for act in ("rollback", "redeploy"):
        for look in (["--dry-run"], []):
            code, said = command(line, act, "--model", MODEL, "--to", digest[:12], "--reason", "is it whole?", *look)
            assert (code, "cannot be served" in said) == (5, True), said


def mend(line: FaultLine, run: str, whole: str) -> None:
    """Put a model live whose files are whole, then train again what is lost."""
    code, said = command(line, "redeploy", "--model", MODEL, "--to", whole[:12], "--reason", "its files are whole")
    assert code == 0, said
    until(lambda: answers_with(line) == (whole, False) or None, 60, "the model whose files are whole")
    code, said = command(line, "rerun", line.run(run).commit.sha[:10], "--reason", "its files were lost")
    assert code == 0, said
    with line.seen.tail.read() as ledger:
        again = max(ledger.line(MODEL).runs, key=lambda each: each.rank).run_id
    assert again != run
    assert line.run(again).commit.sha == line.run(run).commit.sha
    line.deployed(again, 90)
    line.factors[again] = 6.0
    line.answers(MODEL, again)
    line.all_ready(HEALED_SECONDS)


def test_every_command_of_the_page_was_run_here() -> None:
    """After the two above: it looks at what they used."""
    assert len(SHOWN) >= 7
    assert {shown.partition(" ")[2] for shown in SHOWN} <= {used.partition(" ")[2] for used in USED}
