"""A ledger on which a test tells what happened, one record at a time. Each has to count, and comes a second after the one before.

Nothing but the fold: no broker, no thread. Commits are named by a letter; the model of a commit is named after it.
"""

from collections import Counter
from dataclasses import replace

from pushline.line.events import CommitPushed, Event, ModelDeployed, ModelServed
from pushline.line.ledger import Ledger, ModelLine, Run
from pushline.line.why import Answer, why_run
from tests.unit.line.model import making as make

MODEL = "a"
BEGAN_MS = 1_800_000_000_000
SHAS = {letter: letter * 40 for letter in "abcdef"}


class Scene:
    def __init__(self) -> None:
        self.ledger = Ledger(make.PARTITIONS)
        self._offsets: Counter[tuple[str, int]] = Counter()
        self._seconds = 0

    def fold(self, event: Event) -> None:
        record = make.lay(event, 0)
        place = (record.topic, record.partition)
        self._seconds += 1
        record = replace(record, offset=self._offsets[place], timestamp_ms=BEGAN_MS + 1000 * self._seconds)
        self._offsets[place] += 1
        judgement = self.ledger.fold(record)[0]
        assert judgement.verdict == "valid", judgement.sentence

    @property
    def line(self) -> ModelLine:
        return self.ledger.line(MODEL)

    def run(self, letter: str) -> Run:
        return [run for run in self.line.runs if run.commit.sha == SHAS[letter]][-1]

    def why(self, letter: str) -> Answer:
        return why_run(self.ledger, self.run(letter))

    def push(self, letter: str) -> None:
        line = self.line
        self.fold(make.push(MODEL, line.highest_generation + 1, previous=line.newest_generation, sha=SHAS[letter]))

    def rerun(self, letter: str) -> None:
        push = self.line.pushes[self.run(letter).generation]
        attempt = self.line.attempts[push.event.generation] + 1
        self.fold(make.push(MODEL, push.event.generation, previous=0, sha=SHAS[letter], attempt=attempt, cause=push.id))

    def train(self, letter: str, outcome: str = "succeeded", reason: str = "", sentence: str = "", model_file: str = "") -> None:
        told = make.trained(self._push_of(letter), outcome, model_file or letter, sentence)
        self.fold(replace(told, reason=reason))

    def judge(self, letter: str, verdict: str = "accepted", reason: str = "", sentence: str = "") -> None:
        trained = self.run(letter).trained
        assert trained is not None
        self.fold(replace(make.evaluated(trained.event, self.line.live_digest, verdict, sentence), reason=reason))

    def promote(self, letter: str, *, by_hand: bool = False) -> None:
        """What the deployer does about an accepted run, or a person about any."""
        verdict = self.run(letter).verdict
        assert verdict is not None
        put = self._numbered("promote", letter, baseline=self.line.live_digest, cause="" if by_hand else verdict.id)
        self.fold(replace(put, reason="wanted" if by_hand else "accepted"))

    def close(self, letter: str, outcome: str, reason: str, sentence: str = "") -> None:
        """As the deployer does: by the verdict, or, of what may not go live whatever the verdict, by the training."""
        run = self.run(letter)
        cause = run.trained if run.verdict is None else run.verdict
        assert cause is not None
        closed = make.close(self._push_of(letter), self.line.deploy_seq, outcome, cause.id)
        self.fold(replace(closed, baseline_digest=self.line.live_digest, actor="", reason=reason, sentence=sentence))

    def live(self, letter: str) -> None:
        """From push to promote."""
        self.push(letter)
        self.train(letter)
        self.judge(letter)
        self.promote(letter)

    def roll_back(self, letter: str, reason: str = "worse in the field") -> None:
        put = self._numbered("rollback", letter)
        self.fold(replace(put, floor_generation=self.line.newest_generation, reason=reason))

    def redeploy(self, letter: str, reason: str = "needed") -> None:
        self.fold(replace(self._numbered("redeploy", letter), reason=reason))

    def hold(self, kind: str = "hold", reason: str = "an audit") -> None:
        line = self.line
        put = make.hold(kind, MODEL, line.live, line.highest_deploy_seq + 1, line.deploy_seq, line.floor_generation)
        self.fold(replace(put, reason=reason))

    def serve(self, replica: str, state: str = "serving", sentence: str = "", lost: int = 0) -> None:
        newest = self.line.newest_deployed
        assert newest is not None
        self.fold(replace(make.served(newest.event, replica, state=state), sentence=sentence))
        if lost:
            self.fold_lost(newest.event, lost)

    def fold_lost(self, event: ModelDeployed, number: int) -> None:
        """A replica names a number that this log does not have; the record waits for its cause."""
        lost: ModelServed = make.served(replace(event, deploy_seq=number))
        assert self.ledger.fold(make.lay(lost, 99))[0].verdict == "kept"

    def _numbered(self, kind: str, letter: str, *, baseline: str = "none", cause: str = "") -> ModelDeployed:
        line, run = self.line, self.run(letter)
        assert run.trained is not None
        put = make.deployed(
            kind,
            self._push_of(letter),
            letter,
            line.highest_deploy_seq + 1,
            line.deploy_seq,
            baseline=baseline,
            floor=line.floor_generation,
            cause=cause,
        )
        digest = run.trained.event.digest
        return replace(put, digest=digest, serving=make.serving(self._push_of(letter), digest))

    def _push_of(self, letter: str) -> CommitPushed:
        return self.run(letter).push.event
