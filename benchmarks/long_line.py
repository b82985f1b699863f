"""A line's log of any length, as ten models would leave it: what benchmarks fold.

Of a hundred runs about 85 go live, some are rejected, fail or are superseded, a few are run again. Three replicas report every
deployment. Some records lost a race (invalid), lie in front of their cause (kept), or are no event at all; people roll back.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pushline.line.codec import encode
from pushline.line.events import (
    NOTHING_LIVE,
    Commit,
    CommitPushed,
    Event,
    File,
    GateResult,
    Metric,
    ModelDeployed,
    ModelEvaluated,
    ModelServed,
    ModelTrained,
    Serving,
)
from pushline.line.ids import partition_of, run_id
from pushline.line.records import Message, Record
from tests.faults.evidence import seeded

PARTITIONS = 4
MODELS = tuple(f"model-{number}" for number in range(10))
REPLICAS = ("predictor-0", "predictor-1", "predictor-2")
METRICS = ("accuracy", "precision", "recall", "f1", "log_loss", "auc", "brier", "ece")
SENTENCE = "accuracy 0.9731 is not below 0.95, and no worse than the live model's 0.9712 by more than 0.005 (95 % interval)"


@dataclass
class _Model:
    name: str
    generation: int = 0
    deploy_seq: int = 0
    floor: int = 0
    live: list[tuple[CommitPushed, Serving]] = field(default_factory=list)


class LongLine:
    """Writes turn after turn; `records` holds them in the order in which they were written."""

    def __init__(self, seed: int) -> None:
        self.records: list[Record] = []
        self._chance = seeded(seed)
        self._models = [_Model(name) for name in MODELS]
        self._ends: Counter[tuple[str, int]] = Counter()

    def write(self, events: int) -> list[Record]:
        while len(self.records) < events:
            model = self._chance.choice(self._models)
            messages = list(self._turn(model))
            if self._chance.random() < 0.05:
                messages.reverse()  # answers in front of what they answer: kept until it comes
            for message in messages:
                self._lay(message)
            if self._chance.random() < 0.01:
                self._lay(Message("commit", model.name.encode(), b"not an event", ()))
        del self.records[events:]
        return self.records

    def _lay(self, message: Message) -> None:
        place = (message.topic, partition_of(message.key, PARTITIONS))
        self.records.append(Record(*place, self._ends[place], message.key, message.value, message.headers, 1_700_000_000_000))
        self._ends[place] += 1

    def _turn(self, model: _Model) -> Iterator[Message]:
        if len(model.live) > 2 and self._chance.random() < 0.02:
            yield from self._rollback(model)
            return
        pushed, push = self._push(model)
        yield push
        if self._chance.random() < 0.03:
            yield _encoded(replace(pushed, actor="another trainer"))  # its twin was in front of it
        outcome = self._chance.choices(("succeeded", "failed", "superseded"), (92, 5, 3))[0]
        made, message = self._trained(pushed, _id(push), outcome)
        yield message
        if outcome == "succeeded":
            yield from self._judged(model, pushed, made, _id(message))

    def _push(self, model: _Model) -> tuple[CommitPushed, Message]:
        previous, model.generation = model.generation, model.generation + 1
        sha = _sha256(f"{model.name}/{model.generation}")[:40]
        text = "Wider second layer, and dropout where the training curve asks for it\n\nThe learning rate follows a cosine now."
        commit = Commit(f"https://git.example.com/{model.name}.git", "refs/heads/main", sha, sha[::-1], "A Developer", text)
        run = run_id(model.name, model.generation, 1, sha)
        event = CommitPushed(model.name, run, model.generation, 1, commit, "", previous, "", "")
        return event, _encoded(event)

    def _trained(self, pushed: CommitPushed, cause: str, outcome: str) -> tuple[ModelTrained, Message]:
        good = outcome == "succeeded"
        names = ("model.h5", "program.tflite", "answers.npz") if good else ()
        files = tuple(File(name, _sha256(pushed.run_id + name), 440_000) for name in names)
        event = ModelTrained(
            *_run(pushed, cause),
            outcome,
            "" if good else "script_failed",
            "trained in 12.4 s" if good else "train.py ended with 1: ValueError: shapes (64, 10) and (64, 1) are incompatible",
            files[0].sha256 if good else "",
            _sha256(pushed.run_id) if good else "",
            files,
            "bubblewrap",
        )
        return event, _encoded(event)

    def _judged(self, model: _Model, pushed: CommitPushed, made: ModelTrained, cause: str) -> Iterator[Message]:
        baseline = model.live[-1][1].digest if model.live else NOTHING_LIVE
        verdict = self._chance.choices(("accepted", "rejected"), (93, 7))[0]
        judged = _encoded(_evaluated(pushed, made, cause, baseline, verdict))
        yield judged
        put = self._deployed(model, pushed, "promote", _id(judged), baseline)
        if verdict == "accepted":
            serving = Serving(*_run(pushed, "")[1:5], made.digest, made.manifest_sha256, made.files, 100, "live")
            model.live.append((pushed, serving))
            yield from self._live(model, replace(put, outcome="deployed", serving=(serving,), digest=made.digest))
        else:
            said = replace(put, outcome="rejected", reason="gate_failed", sentence=SENTENCE)
            yield _encoded(replace(said, kind="close", deploy_seq=0, digest=made.digest))

    def _rollback(self, model: _Model) -> Iterator[Message]:
        baseline = model.live[-1][1].digest
        pushed, serving = model.live[-2]
        model.floor = model.generation
        put = self._deployed(model, pushed, "rollback", "", baseline)
        model.live.append((pushed, serving))
        yield from self._live(model, replace(put, serving=(serving,), digest=serving.digest, actor="ops", reason="slow answers"))

    def _deployed(self, model: _Model, pushed: CommitPushed, kind: str, cause: str, baseline: str) -> ModelDeployed:
        number = model.deploy_seq
        return ModelDeployed(
            *_run(pushed, cause), kind, number + 1, number, baseline, model.floor, "", "", "", "a sentence for people", (), ""
        )

    def _live(self, model: _Model, put: ModelDeployed) -> Iterator[Message]:
        model.deploy_seq = put.deploy_seq
        message = _encoded(put)
        yield message
        for replica in REPLICAS:
            serves = (replica, f"start of {replica}", "serving", "", "loaded in 41 ms")
            yield _encoded(ModelServed(*_run(put, _id(message)), put.deploy_seq, put.digest, *serves))


def _evaluated(pushed: CommitPushed, made: ModelTrained, cause: str, baseline: str, verdict: str) -> ModelEvaluated:
    gates = tuple(GateResult(name, "min", 0.9, 0.9731, 0.9712, True, SENTENCE) for name in METRICS[:4])
    return ModelEvaluated(
        model=pushed.model,
        run_id=pushed.run_id,
        generation=pushed.generation,
        attempt=pushed.attempt,
        commit=pushed.commit,
        caused_by=cause,
        digest=made.digest,
        baseline_digest=baseline,
        verdict=verdict,
        reason="" if verdict == "accepted" else "gate_failed",
        sentence=SENTENCE,
        gates=gates,
        metrics=tuple(Metric(name, 0.1234567 + index) for index, name in enumerate(METRICS)),
        dataset_sha256=_sha256("data set"),
        dataset_origin="repository",
        report_key=f"runs/{pushed.model}/{pushed.run_id}/evaluation/{baseline}/1/report.json",
        report_sha256=_sha256(f"report of {pushed.run_id}"),
        manifest_sha256=made.manifest_sha256,
        files=made.files,
    )


def _run(event: CommitPushed | ModelDeployed, cause: str) -> tuple[str, str, int, int, Commit, str]:
    return event.model, event.run_id, event.generation, event.attempt, event.commit, cause


def _encoded(event: Event) -> Message:
    return encode(event, "pushline/benchmark")


def _id(message: Message) -> str:
    return dict(message.headers)["ce_id"].decode()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
