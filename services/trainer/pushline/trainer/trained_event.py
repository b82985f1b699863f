"""The `trained` event, of the commit record and the manifest alone: who writes it twice writes the same bytes."""

from dataclasses import replace

from pushline.line.broker import MessageTooLarge
from pushline.line.codec import encode
from pushline.line.events import Event, File, ModelTrained
from pushline.line.ledger import Run
from pushline.line.less import SHORT
from pushline.objects.manifest import Manifest
from pushline.trainer.failures import Failure
from pushline.trainer.recipe import CANCELLED

SOURCE = "pushline/trainer"
SPARE = "x" * 2048  # what other headers may take
_TOO_LARGE = Failure(
    "event_too_large", "It was trained, and the broker takes no record that names its files (max.message.bytes of trained)."
)


def succeeded(run: Run, manifest: Manifest, manifest_sha256: str) -> ModelTrained:
    files = tuple(File(file.name, file.sha256, file.size) for file in manifest.files)
    event = _event(
        run, "succeeded", "", f"Commit {run.commit.sha[:12]} was trained to model {manifest.digest[:12]}.", manifest.sandbox
    )
    return replace(event, digest=manifest.digest, manifest_sha256=manifest_sha256, files=files)


def failed(run: Run, failure: Failure, sandbox: str) -> ModelTrained:
    """`sandbox` is empty where no script ran."""
    return shortened(_event(run, "failed", failure.reason, failure.sentence, sandbox))


def superseded(run: Run, newer: Run, reason: str) -> ModelTrained:
    which = f"commit {newer.commit.sha[:12]} (generation {newer.generation}, attempt {newer.attempt})"
    when = "while this one was trained" if reason == CANCELLED else "before this one was trained"
    return _event(run, "superseded", reason, f"{which} came {when}.", "")


def shortened(event: ModelTrained) -> ModelTrained:
    """Cut the sentence until the record fits. The commit stays: a record whose commit is not that of its cause does not count."""
    while event.sentence and not _fits(event):
        event = replace(event, sentence=event.sentence[: len(event.sentence) // 2])
    return event


def less(event: Event) -> ModelTrained | None:
    """Say it with less; None where it cannot be. Of the commit nothing may be left out."""
    if not isinstance(event, ModelTrained):
        return None
    if event.outcome == "succeeded":
        named, said = _TOO_LARGE.reason, _TOO_LARGE.sentence
        return replace(event, outcome="failed", reason=named, sentence=said, digest="", manifest_sha256="", files=())
    return replace(event, sentence=event.sentence[:SHORT]) if len(event.sentence) > SHORT else None


def _event(run: Run, outcome: str, reason: str, sentence: str, sandbox: str) -> ModelTrained:
    return ModelTrained(
        model=run.model,
        run_id=run.run_id,
        generation=run.generation,
        attempt=run.attempt,
        commit=run.commit,
        caused_by=run.push.id,
        outcome=outcome,
        reason=reason,
        sentence=sentence,
        digest="",
        manifest_sha256="",
        files=(),
        sandbox=sandbox,
    )


def _fits(event: ModelTrained) -> bool:
    try:
        encode(event, SOURCE, SPARE)
    except MessageTooLarge:
        return False
    return True
