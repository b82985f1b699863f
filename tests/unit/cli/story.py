"""A line in memory on which a test tells what happened: pushes, verdicts, promotions. Every record goes through the real ledger."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pushline.cli.line_of_sight import OpenLine
from pushline.line.broker import Place
from pushline.line.events import Commit, CommitPushed, File, ModelDeployed, ModelEvaluated, ModelServed, ModelTrained, Serving
from pushline.line.ids import run_id
from pushline.line.ledger import ModelLine, Run
from pushline.line.memory import MemoryLog
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.line.writer import Published, Writer
from pushline.objects import keys
from pushline.objects.memory_store import MemoryStore

MODEL = "digits"
GATED_BY = "https://git.example.com/digits.git"


def sha_of(name: str) -> str:
    return hashlib.sha1(name.encode()).hexdigest()  # noqa: S324 - a git SHA


def digest_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


class Story:
    """Commits are named by a word; the model of a commit has the digest of `<word>`."""

    def __init__(self, model: str = MODEL, on: OpenLine | None = None) -> None:
        """`on`: tell it on a line that another story is told on."""
        self.model = model
        self.log = MemoryLog(4)
        self.tail = Tail(self.log, TOPIC_NAMES)
        self.store = MemoryStore()
        self.open = OpenLine(self.log, self.tail, self.store)
        if on is not None:
            self.tail, self.open = on.tail, on
            self.log = on.log if isinstance(on.log, MemoryLog) else self.log
            self.store = on.store if isinstance(on.store, MemoryStore) else self.store
        else:
            self.tail.start()
        self.tail.catch_up(30)
        self.objects = self.open.store
        self._writer = Writer(self.open.log, self.tail, "/test")

    def line(self) -> ModelLine:
        with self.tail.read() as ledger:
            return ledger.line(self.model)

    def run(self, word: str) -> Run:
        with self.tail.read() as ledger:
            return next(run for run in ledger.line(self.model).runs if run.commit.sha == sha_of(word))

    def push(self, word: str) -> Run:
        line = self.line()
        number = line.highest_generation + 1
        commit = Commit(GATED_BY, "refs/heads/main", sha_of(word), "", "Ada", f"{word}\n\nmore")
        rid = run_id(self.model, number, 1, commit.sha)
        self.publish(CommitPushed(self.model, rid, number, 1, commit, "", line.newest_generation, "", ""))
        return self.run(word)

    def train(self, word: str) -> None:
        run = self.run(word)
        files, manifest = self._store_files(run, word)
        self.publish(
            ModelTrained(
                self.model,
                run.run_id,
                run.generation,
                1,
                run.commit,
                run.push.id,
                "succeeded",
                "",
                "trained",
                digest_of(word),
                manifest,
                files,
                "bubblewrap",
            )
        )

    def judge(self, word: str, verdict: str = "accepted") -> None:
        run = self.run(word)
        assert run.trained is not None
        told = run.trained.event
        self.publish(
            ModelEvaluated(
                self.model,
                run.run_id,
                run.generation,
                1,
                run.commit,
                run.trained.id,
                told.digest,
                self.line().live_digest,
                verdict,
                "",
                verdict,
                (),
                (),
                *self._judged_by(run),
                told.manifest_sha256,
                told.files,
            )
        )

    def close(self, word: str, outcome: str) -> None:
        """Close a run after its verdict, as the deployer would."""
        run, line = self.run(word), self.line()
        verdict = next(reversed(run.evaluated.values()))
        place = (self.model, run.run_id, run.generation, 1, run.commit, verdict.id)
        numbers = (0, line.deploy_seq, line.live_digest, line.floor_generation)
        self.publish(ModelDeployed(*place, "close", *numbers, "", outcome, outcome, outcome, (), digest_of(word)))

    def ends(self) -> dict[Place, int]:
        """How far each partition of the log reaches."""
        return self.open.log.reader(TOPIC_NAMES).end(1)

    def promote(self, word: str) -> None:
        """Push, train, judge and promote, as the services would."""
        self.push(word)
        self.train(word)
        self.judge(word)
        run, line = self.run(word), self.line()
        assert run.trained is not None
        serving = Serving(
            run.run_id,
            run.generation,
            1,
            run.commit,
            digest_of(word),
            run.trained.event.manifest_sha256,
            run.trained.event.files,
            100,
            "live",
        )
        self.publish(
            ModelDeployed(
                self.model,
                run.run_id,
                run.generation,
                1,
                run.commit,
                run.evaluated[line.live_digest].id,
                "promote",
                line.highest_deploy_seq + 1,
                line.deploy_seq,
                line.live_digest,
                line.floor_generation,
                "",
                "deployed",
                "",
                "accepted",
                (serving,),
                digest_of(word),
            )
        )

    def serve(self, replica: str) -> None:
        newest = self.line().newest_deployed
        assert newest is not None
        told = newest.event
        self.publish(
            ModelServed(
                self.model,
                told.run_id,
                told.generation,
                told.attempt,
                told.commit,
                newest.id,
                told.deploy_seq,
                told.digest,
                replica,
                "start",
                "serving",
                "",
                "",
            )
        )

    def publish(self, event: CommitPushed | ModelTrained | ModelEvaluated | ModelDeployed | ModelServed) -> Published:
        published = self._writer.publish(event)
        assert published.counted, published.sentence
        return published

    def _judged_by(self, run: Run) -> tuple[str, str, str, str]:  # noqa: ARG002 - of the run, where a story has more to say
        """Digest and origin of the evaluation set, key and digest of the report."""
        return "", "repository", "", ""

    def _store_files(self, run: Run, word: str) -> tuple[tuple[File, ...], str]:
        files = []
        for name, data in (("model.h5", word.encode()), ("program.tflite", f"{word} program".encode())):
            sha256 = hashlib.sha256(data).hexdigest()
            self.objects.put_bytes(keys.model_file(self.model, sha256, name), data)
            files.append(File(name, sha256, len(data)))
        manifest = f"{{{word}}}".encode()
        sha256 = hashlib.sha256(manifest).hexdigest()
        self.objects.put_bytes(keys.manifest(self.model, run.run_id, sha256), manifest)
        return tuple(files), sha256


@contextmanager
def a_story(*promoted: str) -> Iterator[Story]:
    story = Story()
    try:
        for word in promoted:
            story.promote(word)
        yield story
    finally:
        story.tail.stop()


def a_secret(folder: Path) -> Path:
    path = folder / "secret"
    path.write_text("s" * 32)
    return path
