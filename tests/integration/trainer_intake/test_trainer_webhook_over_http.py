"""Real HTTP, a real bare repository, the real protocol of the broker; only the training itself is a stand-in."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Ledger
from pushline.runtime import logs
from pushline.runtime.health import Health
from pushline.runtime.operator_file import ModelConfig
from pushline.trainer.adapters.git_remote import GitRemote
from pushline.trainer.service import Surroundings, TrainerService, Wishes, build
from tests.fixtures.trainer_intake.forge import NoTrainer, a_model
from tests.fixtures.trainer_intake.repository import Repository
from tests.fixtures.trainer_intake.webhooks import a_github_push, github_headers, pushline_headers, to_bytes
from tests.waiting import until

SECONDS = 60


class Line:
    """A trainer that listens, and what it read."""

    def __init__(self, service: TrainerService, trainer: NoTrainer, health: Health, registry: CollectorRegistry) -> None:
        self.service, self.trainer, self.health, self.registry = service, trainer, health, registry
        self.url = f"http://127.0.0.1:{service.webhooks.port}"

    def github(self, bare: Path, sha: str, **changes: Any) -> httpx.Response:
        repository = {"full_name": "team/digits", "clone_url": f"file://{bare}"}
        body = to_bytes(a_github_push(after=sha, repository=repository, **changes))
        headers = [(name.decode(), value.decode()) for name, value in github_headers(body)]
        return httpx.post(f"{self.url}/webhooks/github", content=body, headers=headers, timeout=SECONDS)

    def emit(self, sha: str, ref: str = "refs/heads/main") -> httpx.Response:
        body = to_bytes({"model": "digits", "sha": sha, "ref": ref})
        headers = [(name.decode(), value.decode()) for name, value in pushline_headers(body)]
        return httpx.post(f"{self.url}/webhooks/pushline", content=body, headers=headers, timeout=SECONDS)

    def pushes(self) -> list[str]:
        with self.service.tail.read() as ledger:
            return [push.event.commit.sha for push in ledger.line("digits").pushes.values()]

    def outcomes(self) -> list[tuple[str, str]]:
        with self.service.tail.read() as ledger:
            return [(run.outcome, run.reason) for run in ledger.line("digits").runs]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


Start = Callable[[Sequence[ModelConfig]], Line]


@pytest.fixture
def start(broker: str, topic_prefix: str, kafka_options: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    started: list[tuple[TrainerService, KafkaLog]] = []

    def begin(models: Sequence[ModelConfig]) -> Line:
        log, trainer = KafkaLog(broker, topic_prefix, kafka_options), NoTrainer()
        around = Surroundings(logs.configure("trainer"), CollectorRegistry(), Health())
        wishes = Wishes(tuple(models), "127.0.0.1", 0, lag_seconds=0.3)
        service = build(wishes, log, GitRemote(tmp_path / f"trainer-{len(started)}"), trainer, around)
        service.start()
        started.append((service, log))
        return Line(service, trainer, around.health, around.registry)

    yield begin
    for service, log in started:
        service.stop()
        log.close()


def test_a_push_is_202_once_its_record_can_be_read_back(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare))])
    sha = repository.push("Teach it\n\nto count")

    answer = line.github(repository.bare, sha)

    assert answer.status_code == 202
    assert line.pushes() == [sha]
    with line.service.tail.read() as ledger:
        run = ledger.runs[answer.json()["run_id"]]
    assert (run.commit.author, run.commit.message) == ("Ada <ada@example.com>", "Teach it\n\nto count")
    assert run.commit.repository == str(repository.bare)
    until(lambda: line.trainer.begun == [sha], SECONDS, "the training to begin")


def test_a_branch_that_is_not_there_yet_is_found_once_it_is(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare))])
    sha = repository.commit()

    assert line.github(repository.bare, sha).json()["reason"] == "not_head"
    repository.move(sha)
    assert line.github(repository.bare, sha).status_code == 202


def test_many_deliveries_of_one_push_are_one_run(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare))])
    sha = repository.push()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: line.github(repository.bare, sha), range(16)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert line.pushes() == [sha]


def test_deliveries_out_of_order_end_at_the_head(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare))])
    shas = [repository.push() for _ in range(4)]

    answers = {sha: line.github(repository.bare, sha).status_code for sha in (shas[2], shas[0], shas[3], shas[1])}

    assert answers == {shas[0]: 200, shas[1]: 200, shas[2]: 200, shas[3]: 202}
    assert line.pushes()[-1] == shas[3]


def test_a_newer_push_stops_the_training_of_the_older(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare))])
    first = repository.push()
    assert line.emit(first).status_code == 202
    until(lambda: line.trainer.begun == [first], SECONDS, "the first training")

    second = repository.push()
    assert line.emit(second).status_code == 202

    until(lambda: line.trainer.begun == [first, second], SECONDS, "the second training")
    assert line.outcomes() == [("superseded", "cancelled"), ("", "")]


def test_a_force_push_back_is_a_run_of_its_own_and_a_replay_is_none(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare))])
    first = repository.push()
    line.emit(first)
    second = repository.push()
    line.emit(second)

    assert line.emit(first).status_code == 200
    repository.move(first)
    assert line.emit(first).status_code == 202
    assert line.pushes() == [first, second, first]


def test_a_push_is_found_without_any_webhook(start: Start, repository: Repository) -> None:
    first = repository.push()
    line = start([a_model(repository=str(repository.bare), reconcile_interval_seconds=0.2)])
    until(lambda: line.pushes() == [first], SECONDS, "the first look")

    second = repository.push()

    until(lambda: line.pushes() == [first, second], SECONDS, "the poller")


def test_under_every_each_commit_of_a_push_is_recorded_oldest_first(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare), policy="every")])
    first = repository.push()
    assert line.emit(first).status_code == 202
    second, third = repository.commit(), repository.push()

    assert line.emit(third).status_code == 202

    assert line.pushes() == [first, second, third]


def test_a_commit_that_is_only_on_another_branch_is_never_recorded(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare))])
    head = repository.push()
    stranger = repository.push(branch="topic")

    assert line.github(repository.bare, stranger).json()["reason"] == "not_head"
    assert line.pushes() == [head]


def test_a_deleted_branch_ends_nothing(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare))])
    sha = repository.push()
    line.emit(sha)
    repository.delete()

    assert line.github(repository.bare, "0" * 40, deleted=True).json()["reason"] == "deleted"
    assert line.pushes() == [sha]


def test_a_repository_that_is_away_is_503_and_named_by_health(start: Start, tmp_path: Path) -> None:
    line = start([a_model(repository=str(tmp_path / "none.git"))])

    answer = line.emit("a" * 40)

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert until(lambda: line.health.problems.get("look digits"), SECONDS).startswith("forge: ")


def test_a_model_whose_repository_is_away_holds_up_no_other(start: Start, repository: Repository, tmp_path: Path) -> None:
    away = a_model("away", repository=str(tmp_path / "none.git"))
    line = start([away, a_model(repository=str(repository.bare))])
    sha = repository.push()

    assert line.emit(sha).status_code == 202


def test_two_trainers_on_one_line_record_each_push_once(start: Start, repository: Repository) -> None:
    model = a_model(repository=str(repository.bare), reconcile_interval_seconds=0.05)
    lines = [start([model]), start([model])]

    shas = []
    for _ in range(5):
        shas.append(repository.push())
        answers = [line.emit(shas[-1]) for line in lines]
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["run_id"] for answer in answers}) == 1

    assert [line.pushes() for line in lines] == [shas, shas]


def test_webhooks_and_looks_are_counted(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare))])
    line.emit(repository.push())

    labels = {"form": "pushline", "status": "202", "reason": ""}
    assert line.registry.get_sample_value("pushline_webhooks_total", labels) == 1
    assert line.registry.get_sample_value("pushline_looks_total", {"model": "digits", "outcome": "agreed"})


def test_a_stop_lets_a_received_webhook_be_answered(start: Start, repository: Repository) -> None:
    line = start([a_model(repository=str(repository.bare))])
    sha = repository.push()
    answers: list[int] = []
    sender = threading.Thread(target=lambda: answers.append(line.emit(sha).status_code))
    sender.start()
    until(lambda: line.pushes() == [sha], SECONDS, "the record")

    line.service.stop()
    sender.join(SECONDS)

    assert answers == [202]


def test_what_was_answered_202_is_in_the_log_for_everybody(
    start: Start, repository: Repository, broker: str, topic_prefix: str, kafka_options: dict[str, str]
) -> None:
    line = start([a_model(repository=str(repository.bare))])
    run_id = line.emit(repository.push()).json()["run_id"]
    log = KafkaLog(broker, topic_prefix, kafka_options)
    reader, ledger = log.reader(["commit"]), Ledger(log.partitions())

    def fold() -> bool:
        for record in reader.poll(0.1):
            ledger.fold(record)
        return run_id in ledger.runs

    until(fold, SECONDS, "the run")
    reader.close()
    log.close()
