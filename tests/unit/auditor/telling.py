"""Tells a line, on any broker, what happens to commits: the right records, without the services."""

import hashlib
from dataclasses import dataclass, field, replace

from pushline.line.broker import Log
from pushline.line.codec import encode
from pushline.line.events import (
    NO_COMMIT,
    NOTHING_LIVE,
    Commit,
    CommitPushed,
    Event,
    File,
    GateResult,
    ModelDeployed,
    ModelEvaluated,
    ModelServed,
    ModelTrained,
    Serving,
)
from pushline.line.ids import event_id, run_id
from pushline.line.records import Message
from pushline.line.topics import BY_EVENT

MODEL = "digits"


def digest_of(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


@dataclass
class Told:
    """One commit and the ids of what was said of it."""

    word: str
    run_id: str
    generation: int
    commit: Commit
    files: tuple[File, ...]
    ids: dict[str, str] = field(default_factory=dict)  # topic → event id
    attempt: int = 1


class Telling:
    def __init__(self, log: Log, model: str = MODEL) -> None:
        self.log, self.model = log, model
        self._generation = self._deploy_seq = 0
        self._live = NOTHING_LIVE
        self._floor = 0
        self._serving: tuple[Serving, ...] = ()

    def push(self, word: str, message: str = "", sha: str = "") -> Told:
        self._generation, before = self._generation + 1, self._generation
        sha = sha or hashlib.sha1(word.encode()).hexdigest()  # noqa: S324 - a git SHA
        commit = Commit("https://git.example.com/digits.git", "refs/heads/main", sha, "", "Ada <ada@example.com>", message or word)
        told = Told(word, run_id(self.model, self._generation, 1, sha), self._generation, commit, ())
        told.files = (File("model.h5", digest_of(word), 10),)
        self.say(told, CommitPushed(*self._head(told, ""), before, "", ""))
        return told

    def train(self, told: Told, outcome: str = "succeeded", reason: str = "", sentence: str = "") -> None:
        self.say(told, self.trained(told, outcome, reason, sentence))

    def trained(self, told: Told, outcome: str = "succeeded", reason: str = "", sentence: str = "") -> ModelTrained:
        done = outcome == "succeeded"
        made = (digest_of(told.word), digest_of("manifest"), told.files) if done else ("", "", ())
        return ModelTrained(*self._head(told, told.ids["commit"]), outcome, reason, sentence, *made, "bubblewrap")

    def rerun(self, told: Told) -> Told:
        """A person has the commit trained once more."""
        attempt = told.attempt + 1
        run = run_id(self.model, told.generation, attempt, told.commit.sha)
        again = replace(told, run_id=run, attempt=attempt, ids={}, word=f"{told.word} {attempt}")
        self.say(again, CommitPushed(*self._head(again, told.ids["commit"]), told.generation - 1, "ann", "once more"))
        return again

    def judge(
        self,
        told: Told,
        verdict: str = "accepted",
        sentence: str = "accuracy 0.97 is at least 0.9",
        gates: tuple[GateResult, ...] = (),
        report: tuple[str, str] = ("", ""),
    ) -> None:
        head = (*self._head(told, told.ids["trained"]), digest_of(told.word), self._live, verdict, "", sentence)
        data, manifest = digest_of("data"), digest_of("manifest")
        self.say(told, ModelEvaluated(*head, gates, (), data, "store", *report, manifest, told.files))

    def promote(self, told: Told) -> None:
        self._act(told, "promote", ("", "deployed", "", "accepted"), told.ids["evaluated"])

    def person(self, told: Told, kind: str, reason: str = "she said so") -> None:
        """A person promotes this run, rolls back to it or deploys it again."""
        if kind == "rollback":
            self._floor = self._generation
        self._act(told, kind, ("ann", "deployed" if kind == "promote" else "", reason, ""), "")

    def hold(self, kind: str = "hold", reason: str = "holidays") -> None:
        live = self._serving[0] if self._serving else None
        head = (live.run_id, live.generation, live.attempt, live.commit) if live else ("", 0, 0, NO_COMMIT)
        self._deploy_seq, before = self._deploy_seq + 1, self._deploy_seq
        numbers = (self._deploy_seq, before, self._live, self._floor)
        event = ModelDeployed(
            self.model, *head, "", kind, *numbers, "ann", "", reason, "", self._serving, live.digest if live else ""
        )
        self.log.append(encode(event, "pushline/test"))

    def close(self, told: Told, sentence: str, outcome: str = "rejected") -> None:
        head = self._head(told, told.ids["evaluated"])
        why = ("", outcome, "gate", sentence)
        numbers = (0, self._deploy_seq, self._live, self._floor)
        self.say(told, ModelDeployed(*head, "close", *numbers, *why, (), digest_of(told.word)))

    def serve(self, told: Told, replica: str, state: str = "serving", sentence: str = "") -> None:
        head = self._head(told, told.ids["deployed"])
        reason = "" if state == "serving" else "activation_failed"
        self.say(told, ModelServed(*head, self._deploy_seq, digest_of(told.word), replica, "start", state, reason, sentence))

    def deploy(self, word: str) -> Told:
        told = self.push(word)
        self.train(told)
        self.judge(told)
        self.promote(told)
        self.serve(told, "replica-1")
        return told

    def say(self, told: Told, event: Event) -> Message:
        message = encode(event, "pushline/test")
        self.log.append(message)
        told.ids[message.topic] = event_id(event.run_id, BY_EVENT[type(event)].name, message.value)
        return message

    def _act(self, told: Told, kind: str, why: tuple[str, str, str, str], cause: str) -> None:
        digest, manifest = digest_of(told.word), digest_of("manifest")
        serving = Serving(told.run_id, told.generation, told.attempt, told.commit, digest, manifest, told.files, 100, "live")
        self._deploy_seq, before, baseline = self._deploy_seq + 1, self._deploy_seq, self._live
        self._live, self._serving = digest, (serving,)
        numbers = (self._deploy_seq, before, baseline, self._floor)
        self.say(told, ModelDeployed(*self._head(told, cause), kind, *numbers, *why, (serving,), digest))

    def _head(self, told: Told, cause: str) -> tuple[str, str, int, int, Commit, str]:
        return (self.model, told.run_id, told.generation, told.attempt, told.commit, cause)
