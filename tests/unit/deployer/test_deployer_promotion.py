"""What the deployer does next, as a table of situations built from real records."""

from dataclasses import replace

from pushline.deployer.promotion import Deployment, less, next_deployments
from pushline.line.codec import encode
from pushline.line.events import (
    Commit,
    CommitPushed,
    Event,
    File,
    ModelDeployed,
    ModelEvaluated,
    ModelServed,
    ModelTrained,
    Serving,
)
from pushline.line.ids import partition_of, run_id
from pushline.line.ledger import Ledger
from pushline.line.records import Record

MODEL = "digits"
PARTITIONS = 4
OWNED = frozenset(range(PARTITIONS))


class Line:
    """Writes right records in front of a ledger."""

    def __init__(self) -> None:
        self.ledger = Ledger(PARTITIONS)
        self._offset = 0

    def say(self, event: Event) -> str:
        message = encode(event, "test")
        partition = partition_of(message.key, PARTITIONS)
        record = Record(message.topic, partition, self._offset, message.key, message.value, message.headers, 0)
        self._offset += 1
        (judged, *_) = self.ledger.fold(record)
        assert judged.verdict == "valid", judged
        assert judged.entry is not None
        return judged.entry.id

    def push(self, generation: int) -> str:
        before = self.ledger.line(MODEL).newest_generation
        return self.say(CommitPushed(MODEL, run_of(generation), generation, 1, commit_of(generation), "", before, "", ""))

    def train(self, generation: int, caused_by: str, digest: str) -> str:
        files = (File("model.h5", digest, 1),)
        commit = commit_of(generation)
        return self.say(
            ModelTrained(
                MODEL, run_of(generation), generation, 1, commit, caused_by, "succeeded", "", "", digest, "m", files, "off"
            )
        )

    def judge(self, generation: int, caused_by: str, digest: str, verdict: str, baseline: str | None = None) -> str:
        return self.say(
            ModelEvaluated(
                model=MODEL,
                run_id=run_of(generation),
                generation=generation,
                attempt=1,
                commit=commit_of(generation),
                caused_by=caused_by,
                digest=digest,
                baseline_digest=baseline or self.ledger.line(MODEL).live_digest,
                verdict=verdict,
                reason="" if verdict == "accepted" else "gate",
                sentence=f"it is {verdict}",
                gates=(),
                metrics=(),
                dataset_sha256="",
                dataset_origin="repository",
                report_key="",
                report_sha256="",
                manifest_sha256="m",
                files=(File("model.h5", digest, 1), File("program.tflite", "p", 1)),
            )
        )

    def judged_run(self, generation: int, digest: str, verdict: str) -> None:
        self.judge(generation, self.train(generation, self.push(generation), digest), digest, verdict)

    def act(self, kind: str, of: ModelDeployed, **changes: object) -> str:
        line = self.ledger.line(MODEL)
        fields = {name: getattr(of, name) for name in ModelDeployed.__slots__}
        fields |= {
            "kind": kind,
            "deploy_seq": line.highest_deploy_seq + 1,
            "previous": line.deploy_seq,
            "caused_by": "",
            "outcome": "",
        }
        fields |= {"actor": "somebody", "reason": "because", "floor_generation": line.floor_generation} | changes
        return self.say(ModelDeployed(**fields))

    def next(self, running: dict[str, Deployment] | None = None) -> list[ModelDeployed]:
        return [deployment.event for deployment in next_deployments(self.ledger, OWNED, running or {}).start]

    def step(self) -> ModelDeployed:
        (event,) = self.next()
        self.say(event)
        return event


def commit_of(generation: int) -> Commit:
    return Commit("repo", "refs/heads/main", f"{generation:040x}", "", "me", "change")


def run_of(generation: int) -> str:
    return run_id(MODEL, generation, 1, f"{generation:040x}")


def test_an_accepted_first_model_is_promoted_with_the_files_that_passed() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")

    (event,) = line.next()

    assert (event.kind, event.deploy_seq, event.previous, event.baseline_digest, event.outcome) == (
        "promote",
        1,
        0,
        "none",
        "deployed",
    )
    assert [file.name for file in event.serving[0].files] == ["model.h5", "program.tflite"]


def test_a_refused_model_is_closed_with_the_verdicts_reason_and_takes_no_number() -> None:
    line = Line()
    line.judged_run(1, "a", "rejected")

    event = line.step()

    assert (event.kind, event.deploy_seq, event.outcome, event.reason, event.sentence) == (
        "close",
        0,
        "rejected",
        "gate",
        "it is rejected",
    )
    assert line.ledger.runs[run_of(1)].outcome == "rejected"
    assert line.next() == []


def test_an_inconclusive_verdict_closes_as_rejected_and_a_failed_one_as_failed() -> None:
    line = Line()
    line.judged_run(1, "a", "inconclusive")
    line.judged_run(2, "b", "failed")

    assert [line.step().outcome, line.step().outcome] == ["failed", "rejected"]


def test_nothing_is_done_about_a_run_that_waits_for_training_or_a_verdict() -> None:
    line = Line()
    line.train(1, line.push(1), "a")
    line.push(2)

    assert line.next() == []


def test_the_newest_accepted_run_goes_first_and_the_older_one_is_closed_as_superseded() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")
    line.judged_run(2, "b", "accepted")

    first, second = line.step(), line.step()

    assert (first.kind, first.generation) == ("promote", 2)
    assert (second.kind, second.generation, second.outcome, second.reason) == ("close", 1, "superseded", "older_than_live")


def test_a_verdict_against_another_champion_does_not_count() -> None:
    line = Line()
    trained = line.train(2, line.push(2), "b")
    line.judge(2, trained, "b", "accepted")
    line.train(3, line.push(3), "c")
    line.say(line.next()[0])
    line.judge(3, line.ledger.runs[run_of(3)].trained.id, "c", "accepted", baseline="none")  # type: ignore[union-attr]  # it is trained

    assert line.next() == []


def test_one_step_a_model_at_a_time() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")
    (event,) = line.next()

    assert line.next({MODEL: Deployment(event)}) == []


def test_a_model_on_hold_keeps_an_accepted_run_and_closes_a_refused_one() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")
    live = line.step()
    line.act("hold", live)
    line.judged_run(2, "b", "accepted")
    line.judged_run(3, "c", "rejected")

    closed = line.step()

    assert (closed.kind, closed.generation) == ("close", 3)
    assert line.next() == []
    assert line.ledger.runs[run_of(2)].stage == "held"


def test_release_lets_the_held_run_go_live() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")
    live = line.step()
    line.act("hold", live)
    line.judged_run(2, "b", "accepted")
    line.act("release", live)

    assert line.step().generation == 2


def test_what_was_pushed_before_a_rollback_is_closed_and_the_next_push_goes_live() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")
    first = line.step()
    line.judged_run(2, "b", "accepted")
    line.step()
    line.train(3, line.push(3), "c")
    line.act("rollback", first, floor_generation=3)
    closed = line.step()
    line.judged_run(4, "d", "accepted")

    assert (closed.kind, closed.generation, closed.reason) == ("close", 3, "older_than_live")
    assert "rollback" in closed.sentence
    assert line.step().generation == 4


def test_a_barred_digest_is_closed_even_when_pushed_again() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")
    first = line.step()
    line.judged_run(2, "b", "accepted")
    line.step()
    line.act("rollback", first, floor_generation=2)
    line.judged_run(3, "b", "accepted")

    closed = line.step()

    assert (closed.kind, closed.generation, closed.outcome, closed.reason) == ("close", 3, "rejected", "barred")


def test_nothing_is_written_while_a_replica_serves_a_number_that_the_log_does_not_know() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")
    served = ModelServed(MODEL, run_of(1), 1, 1, commit_of(1), "not-read", 7, "a", "replica", "start", "serving", "", "")
    message = encode(served, "test")
    line.ledger.fold(Record("served", partition_of(message.key, PARTITIONS), 0, message.key, message.value, message.headers, 0))

    assert line.next() == []


def test_a_persons_record_above_that_number_ends_the_silence() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")
    (promote,) = line.next()
    line.judged_run(2, "b", "accepted")
    served = ModelServed(MODEL, run_of(1), 1, 1, commit_of(1), "not-read", 7, "a", "replica", "start", "serving", "", "")
    message = encode(served, "test")
    line.ledger.fold(Record("served", partition_of(message.key, PARTITIONS), 0, message.key, message.value, message.headers, 0))

    line.act("redeploy", promote)

    assert line.ledger.line(MODEL).deploy_seq == 8
    line.judge(2, line.ledger.runs[run_of(2)].trained.id, "b", "accepted")  # type: ignore[union-attr]  # it is trained
    assert line.step().deploy_seq == 9


def test_partitions_of_others_are_left_alone() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")

    assert next_deployments(line.ledger, frozenset(), {}).start == ()


def test_serving_names_one_live_entry() -> None:
    line = Line()
    line.judged_run(1, "a", "accepted")

    (serving,) = line.next()[0].serving

    assert isinstance(serving, Serving)
    assert (serving.mode, serving.weight, serving.digest) == ("live", 100, "a")


def test_a_promote_that_is_too_large_closes_its_run_and_a_close_loses_words_alone() -> None:
    line = Line()
    line.judged_run(1, "a" * 64, "accepted")
    (promote,) = line.next()
    wordy = replace(promote, sentence="x" * 1000)

    shorter = less(wordy)
    closed = less(replace(promote, sentence=""))

    assert shorter == replace(wordy, sentence="x" * 120)
    assert closed is not None
    assert (closed.outcome, closed.reason, closed.serving) == ("failed", "event_too_large", ())
    assert less(closed) is None
    line.say(closed)
    assert line.next() == []
