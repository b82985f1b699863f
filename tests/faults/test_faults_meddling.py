"""What others do to a line that runs: topics that take too little, long messages, transactions left open, secrets that change."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from pushline.deployer import promotion
from pushline.evaluator import evaluated_event
from pushline.line.codec import encode
from pushline.line.events import Event
from pushline.line.ledger import Run
from pushline.line.less import Less
from pushline.trainer import trained_event
from tests.e2e.running_line import secret_of
from tests.faults import repositories
from tests.faults.evidence import report
from tests.faults.places import Place
from tests.faults.processes import STAGES, FaultLine, Wish, fault_line
from tests.waiting import until

SERVICES = (*STAGES, "predictor")
LARGE, WORDY, OPEN, TURNED = "large", "wordy", "open", "turned"
USUAL_BYTES = 1_048_588
BATCH_BYTES = 150  # more than what Kafka adds to a record
SAID: dict[str, tuple[Callable[[Run], Event | None], Less]] = {
    "trained": (lambda run: run.trained.event if run.trained else None, trained_event.less),
    "evaluated": (lambda run: next((each.event for each in run.evaluated.values()), None), evaluated_event.less),
    "deployed": (lambda run: run.slot.event if run.slot else None, promotion.less),
}
Taking = Callable[[str, int], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, place: Place, stub_python: Path) -> Iterator[FaultLine]:
    # Settings of topics are not looked at here, so that what the broker itself refuses comes to the stages.
    wish = Wish(dict.fromkeys((LARGE, WORDY, OPEN, TURNED), ""), stub_python, SERVICES, environ={"PUSHLINE_CHECK_TOPICS": "no"})
    with fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
        yield running


@pytest.fixture(scope="module")
def taking_at_most(place: Place) -> Iterator[Taking]:
    """Let a topic take records of so many bytes alone, for a while."""
    with AdminClient({"bootstrap.servers": place.kafka, **place.kafka_options}) as admin:

        def change(topic: str, record_bytes: int) -> None:
            entry = ConfigEntry("max.message.bytes", str(record_bytes), incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource(ConfigResource.Type.TOPIC, f"{place.topic_prefix}{topic}", incremental_configs=[entry])
            for future in admin.incremental_alter_configs([resource]).values():
                future.result(30)

        @contextmanager
        def taking(topic: str, record_bytes: int) -> Iterator[None]:
            change(topic, record_bytes)
            try:
                yield
            finally:
                change(topic, USUAL_BYTES)

        yield taking


def accepted(line: FaultLine, model: str, factor: float) -> str:
    """Push and tell the trainer until it answers 202; give the run."""
    sha = line.repositories[model].push(repositories.good(factor))

    def told() -> str | None:
        status, answer = line.seen.hint(model, sha)
        return str(answer["run_id"]) if status == 202 else None

    run_id = until(told, 60, "202")
    line.factors[run_id] = factor
    return run_id


def sizes(event: Event | None, less: Less) -> Sequence[int]:
    """Give the bytes of the record, and of each that says less."""
    found = []
    while event is not None:
        found.append(encode(event, "pushline/evaluator").size)
        event = less(event)
    return found


@pytest.mark.timeout(300)
def test_what_a_stage_cannot_say_ends_its_run_and_the_next_one_goes_live(line: FaultLine, taking_at_most: Taking) -> None:
    line.deployed(accepted(line, LARGE, 2.0))
    run = line.deployed(accepted(line, LARGE, 2.5))  # its records name a live model, as those of all that follow do
    for number, (topic, (said, less)) in enumerate(SAID.items()):
        *_, more, least = sizes(said(run), less)
        assert more > least + BATCH_BYTES, topic
        with taking_at_most(topic, least + BATCH_BYTES):
            ended = line.seen.ended(accepted(line, LARGE, 3.0 + number), 60)
        assert (ended.outcome, ended.reason) == ("failed", "event_too_large"), topic
    last = accepted(line, LARGE, 9.0)
    line.deployed(last)
    line.answers(LARGE, last)


@pytest.mark.timeout(300)
def test_where_not_even_the_least_can_be_said_it_is_named_and_waited_for(line: FaultLine, taking_at_most: Taking) -> None:
    with taking_at_most("trained", 300):
        run = accepted(line, LARGE, 10.0)
        until(lambda: "max.message.bytes" in line.services["trainer"].problem(), 60, "a trainer that names the setting")
    line.deployed(run, 90)
    sha = line.repositories[LARGE].push(repositories.good(11.0))
    with taking_at_most("commit", 300):
        until(lambda: "max.message.bytes" in line.seen.hint(LARGE, sha)[1].get("error", ""), 60, "a refusal that names the setting")
        assert line.seen.hint(LARGE, sha)[0] == 503
    until(lambda: line.seen.hint(LARGE, sha)[0] == 202, 60, "202 once it is mended")


@pytest.mark.timeout(300)
def test_a_commit_message_of_two_mib_is_cut_and_its_commit_goes_live(line: FaultLine) -> None:
    repository, message = line.repositories[WORDY], "é" * 2**20
    repository.push(repositories.good(2.0))
    (repository.clone / "message").write_text(message, encoding="utf-8")
    repository.git("commit", "--quiet", "--allow-empty", "--file", "message")
    repository.git("push", "--quiet", "origin", "HEAD:main")
    told = line.seen.told["models"][WORDY]["repository"]
    body = {"ref": "refs/heads/main", "after": repository.git("rev-parse", "HEAD"), "deleted": False}
    body |= {"repository": {"clone_url": told, "full_name": WORDY}, "head_commit": {"message": message}}

    status, answer = line.seen.post(json.dumps(body, ensure_ascii=False).encode(), secret_of(WORDY))

    assert status == 202, answer
    run = line.deployed(answer["run_id"])
    assert run.commit.message == message[:1024]


@pytest.mark.timeout(300)
def test_a_transaction_that_a_stranger_leaves_open_delays_no_deployment(
    line: FaultLine, place: Place, say: Callable[[str], None]
) -> None:
    usual = [until_answered(line, factor) for factor in (2.0, 3.0)]
    settings = {"transactional.id": "stranger", "transaction.timeout.ms": 600_000, **place.kafka_options}
    stranger = Producer({"bootstrap.servers": place.kafka, **settings})
    stranger.init_transactions(30)
    stranger.begin_transaction()
    partition = line.deployed(accepted(line, OPEN, 4.0)).line.partition
    stranger.produce(f"{place.topic_prefix}deployed", b"no event of ours", key=b"stranger", partition=partition)
    assert stranger.flush(30) == 0

    beside = [until_answered(line, factor) for factor in (5.0, 6.0)]

    say(report("open-transaction", len(beside), 0, 0, usual_s=round(max(usual), 2), beside_s=round(max(beside), 2)))
    stranger.abort_transaction(30)
    assert max(beside) < 3 * max(usual) + 5
    last = accepted(line, OPEN, 7.0)
    line.deployed(last)
    line.answers(OPEN, last)


def until_answered(line: FaultLine, factor: float) -> float:
    """Push and wait for an answer of the new model; give the seconds."""
    began = time.monotonic()
    run = accepted(line, OPEN, factor)
    line.deployed(run)
    line.answers(OPEN, run)
    return time.monotonic() - began


@pytest.mark.timeout(300)
def test_no_delivery_is_refused_while_a_secret_is_changed(line: FaultLine, say: Callable[[str], None]) -> None:
    sha = line.repositories[TURNED].push(repositories.good(2.0))
    secrets, config = line.folder / "secrets", line.folder / "line.toml"
    old, new = secret_of(TURNED), b"another secret of that model, newer"
    assert delivered(line, sha, old) == 202
    with delivering(line, sha, (old,)) as early:
        (secrets / "newer").write_bytes(new)
        named(config, f'"secrets/{TURNED}"', f'"secrets/{TURNED}", "secrets/newer"')
        until(lambda: delivered(line, sha, new) == 202, 30, "the new secret to count")
    with delivering(line, sha, (old, new)) as both:
        until(lambda: len(both) >= 60, 60, "deliveries that both of them signed")
    with delivering(line, sha, (new,)) as late:
        named(config, f'"secrets/{TURNED}", "secrets/newer"', '"secrets/newer"')
        until(lambda: delivered(line, sha, old) == 401, 30, "the old secret to count no more")
        until(lambda: len(late) >= 20, 60, "deliveries that the new one signed")

    answers = [*early, *both, *late]
    refused = sum(status == 401 for status in answers)
    say(report("secret-rotation", len(answers), refused, 0, refused=refused, unknown=sum(status == 503 for status in answers)))
    assert set(answers) == {202}
    assert len(early) > 0


def named(config: Path, before: str, after: str) -> None:
    """Write the operator's file anew, as an editor does."""
    text, fresh = config.read_text(), config.with_suffix(".new")
    assert text.count(before) == 1
    fresh.write_text(text.replace(before, after))
    fresh.chmod(0o600)
    fresh.replace(config)


def delivered(line: FaultLine, sha: str, secret: bytes) -> int:
    told = line.seen.told["models"][TURNED]["repository"]
    body = {"ref": "refs/heads/main", "after": sha, "deleted": False, "repository": {"clone_url": told, "full_name": TURNED}}
    return line.seen.post(json.dumps(body).encode(), secret)[0]


@contextmanager
def delivering(line: FaultLine, sha: str, secrets: Sequence[bytes]) -> Iterator[list[int]]:
    """Deliver all the time, each secret in a thread of its own; gives the answers so far."""
    answers, stop = list[int](), threading.Event()

    def deliver(secret: bytes) -> None:
        while not stop.wait(0.05):
            answers.append(delivered(line, sha, secret))

    with ThreadPoolExecutor(len(secrets)) as threads:
        ends = [threads.submit(deliver, secret) for secret in secrets]
        try:
            yield answers
        finally:
            stop.set()
    for end in ends:
        end.result()
