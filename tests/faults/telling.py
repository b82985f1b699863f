"""Tells a line what trainer and evaluator would say, record by record, so that a test decides what comes late."""

import hashlib
from dataclasses import dataclass

from pushline.cli import acts
from pushline.cli.acts import Person
from pushline.line.codec import encode
from pushline.line.events import Commit, CommitPushed, Event, File, ModelEvaluated, ModelTrained
from pushline.line.ids import run_id
from pushline.line.kafka import KafkaLog
from pushline.line.ledger import Run
from pushline.line.tail import Tail
from pushline.line.writer import Writer
from pushline.objects import keys
from pushline.objects.store import Store
from tests.waiting import until

SOURCE = "test"
PERSON = Person("a person", "a reason")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Teller:
    log: KafkaLog
    tail: Tail
    store: Store
    model: str

    def say(self, event: Event) -> str:
        """Append it and wait until it is folded here; give its id."""
        message = encode(event, SOURCE)
        record = self.log.append(message)
        self.tail.wait_folded(record.topic, record.partition, record.offset, 20)
        return dict(message.headers)["ce_id"].decode()

    def push(self) -> Run:
        with self.tail.read() as ledger:
            previous = ledger.line(self.model).newest_generation
        generation = previous + 1
        commit = Commit("repo", "refs/heads/main", f"{generation:040x}", "", "A. Author", f"change {generation}")
        run = run_id(self.model, generation, 1, commit.sha)
        self.say(CommitPushed(self.model, run, generation, 1, commit, "", previous, "", ""))
        with self.tail.read() as ledger:
            return ledger.runs[run]

    def train(self, run: Run) -> None:
        digest, manifest = sha256(f"{run.run_id} model"), sha256(f"{run.run_id} manifest")
        files = (File("model.h5", digest, 1), File("program.tflite", sha256(f"{run.run_id} program"), 1))
        for file in files:
            self.store.put_bytes(keys.model_file(self.model, file.sha256, file.name), b"x")
        self.store.put_bytes(keys.manifest(self.model, run.run_id, manifest), b"{}")
        place = (self.model, run.run_id, run.generation, run.attempt, run.commit, run.push.id)
        self.say(ModelTrained(*place, "succeeded", "", "trained", digest, manifest, files, "bubblewrap"))

    def verdict(self, run: Run, baseline: str) -> ModelEvaluated:
        """Make an accepted verdict against what was live with this digest."""
        assert run.trained is not None
        told = run.trained.event
        return ModelEvaluated(
            model=self.model,
            run_id=run.run_id,
            generation=run.generation,
            attempt=run.attempt,
            commit=run.commit,
            caused_by=run.trained.id,
            digest=told.digest,
            baseline_digest=baseline,
            verdict="accepted",
            reason="",
            sentence="good enough",
            gates=(),
            metrics=(),
            dataset_sha256="",
            dataset_origin="",
            report_key="",
            report_sha256="",
            manifest_sha256=told.manifest_sha256,
            files=told.files,
        )

    def judge_all(self) -> None:
        """Do what the evaluator does at this moment: judge open runs above the fence against what is live."""
        with self.tail.read() as ledger:
            line = ledger.line(self.model)
            live = line.live_digest
            due = [
                run for run in line.runs if run.trained and not run.outcome and run.rank > line.fence and live not in run.evaluated
            ]
        for run in due:
            self.say(self.verdict(run, live))

    def live(self) -> str:
        """Give the digest that is live."""
        with self.tail.read() as ledger:
            return ledger.line(self.model).live_digest

    def outcome(self, run: Run) -> str:
        with self.tail.read():
            return run.outcome

    def all_end(self, seconds: float = 60) -> None:
        """Judge until every run of this model that is trained has its outcome."""

        def over() -> bool:
            self.judge_all()
            with self.tail.read() as ledger:
                return all(run.outcome for run in ledger.line(self.model).runs if run.trained)

        until(over, seconds, f"the outcome of every run of {self.model}")

    def rollback(self, digest: str) -> None:
        with self.tail.read() as ledger:
            event = acts.rollback(ledger.models[self.model], digest, PERSON)
        published = Writer(self.log, self.tail, SOURCE).publish(event)
        assert published.counted, published
