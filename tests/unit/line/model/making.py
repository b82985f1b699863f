"""Events of a line with as little said as a test needs. Real bytes come out of `lay`."""

from dataclasses import replace
from hashlib import sha256

from pushline.line.codec import encode
from pushline.line.events import (
    NO_COMMIT,
    Commit,
    CommitPushed,
    Event,
    ModelDeployed,
    ModelEvaluated,
    ModelServed,
    ModelTrained,
    Serving,
)
from pushline.line.ids import partition_of, run_id
from pushline.line.records import Message, Record

PARTITIONS = 2
SOURCE = "test"


def digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def commit(sha: str) -> Commit:
    return Commit("https://git.example.com/m.git", "refs/heads/main", sha, "", "Ada", "a change")


def push(model: str, generation: int, *, previous: int, sha: str = "aa", attempt: int = 1, cause: str = "") -> CommitPushed:
    run = run_id(model, generation, attempt, sha)
    actor, reason = ("Ada", "once more") if cause else ("", "")
    return CommitPushed(model, run, generation, attempt, commit(sha), cause, previous, actor, reason)


def trained(pushed: CommitPushed, outcome: str = "succeeded", model_file: str = "m", sentence: str = "") -> ModelTrained:
    good = outcome == "succeeded"
    return ModelTrained(
        model=pushed.model,
        run_id=pushed.run_id,
        generation=pushed.generation,
        attempt=pushed.attempt,
        commit=pushed.commit,
        caused_by=id_of(pushed),
        outcome=outcome,
        reason="" if good else "script_failed",
        sentence=sentence,
        digest=digest(model_file) if good else "",
        manifest_sha256=digest(f"manifest of {model_file}") if good else "",
        files=(),
        sandbox="bubblewrap",
    )


def evaluated(made: ModelTrained, baseline: str, verdict: str = "accepted", sentence: str = "") -> ModelEvaluated:
    return ModelEvaluated(
        model=made.model,
        run_id=made.run_id,
        generation=made.generation,
        attempt=made.attempt,
        commit=made.commit,
        caused_by=id_of(made),
        digest=made.digest,
        baseline_digest=baseline,
        verdict=verdict,
        reason="",
        sentence=sentence,
        gates=(),
        metrics=(),
        dataset_sha256=digest("dataset"),
        dataset_origin="repository",
        report_key="report",
        report_sha256=digest("report"),
        manifest_sha256=made.manifest_sha256,
        files=(),
    )


def serving(run: CommitPushed, model_digest: str) -> tuple[Serving, ...]:
    return (Serving(run.run_id, run.generation, run.attempt, run.commit, model_digest, digest("manifest"), (), 100, "live"),)


def deployed(
    kind: str,
    run: CommitPushed,
    model_file: str,
    seq: int,
    previous: int,
    *,
    baseline: str = "none",
    floor: int = 0,
    cause: str = "",
) -> ModelDeployed:
    """A numbered record that puts a run live; without a cause it is a person's."""
    what = digest(model_file)
    return ModelDeployed(
        model=run.model,
        run_id=run.run_id,
        generation=run.generation,
        attempt=run.attempt,
        commit=run.commit,
        caused_by=cause,
        kind=kind,
        deploy_seq=seq,
        previous=previous,
        baseline_digest=baseline,
        floor_generation=floor,
        actor="" if cause else "Ada",
        outcome="deployed" if kind == "promote" else "",
        reason="",
        sentence="",
        serving=serving(run, what),
        digest=what,
    )


def close(run: CommitPushed, previous: int, outcome: str = "rejected", cause: str = "verdict") -> ModelDeployed:
    plain = deployed("close", run, "m", 0, previous, cause=cause)
    return replace(plain, outcome=outcome, serving=())


def hold(kind: str, model: str, live: tuple[Serving, ...], seq: int, previous: int, floor: int = 0) -> ModelDeployed:
    """`hold` or `release`: the live run's fields and list, empty where nothing is live."""
    now = live[0] if live else None
    return ModelDeployed(
        model=model,
        run_id=now.run_id if now else "",
        generation=now.generation if now else 0,
        attempt=now.attempt if now else 0,
        commit=now.commit if now else NO_COMMIT,
        caused_by="",
        kind=kind,
        deploy_seq=seq,
        previous=previous,
        baseline_digest=now.digest if now else "none",
        floor_generation=floor,
        actor="Ada",
        outcome="",
        reason="",
        sentence="",
        serving=live,
        digest=now.digest if now else "",
    )


def served(put: ModelDeployed, replica: str = "r1", start: str = "s1", state: str = "serving") -> ModelServed:
    return ModelServed(
        model=put.model,
        run_id=put.run_id,
        generation=put.generation,
        attempt=put.attempt,
        commit=put.commit,
        caused_by=id_of(put),
        deploy_seq=put.deploy_seq,
        digest=put.digest,
        replica=replica,
        start=start,
        state=state,
        reason="",
        sentence="",
    )


def id_of(event: Event) -> str:
    return header(encode(event, SOURCE), "ce_id")


def header(message: Message, name: str) -> str:
    return dict(message.headers)[name].decode()


def lay(event: Event, offset: int, partitions: int = PARTITIONS) -> Record:
    message = encode(event, SOURCE)
    return Record(
        message.topic, partition_of(message.key, partitions), offset, message.key, message.value, tuple(message.headers), 0
    )
