"""The `trained` event, of the commit record and the manifest alone: who writes it twice writes the same bytes."""

from pushline.line.events import File, ModelTrained
from pushline.line.ledger import Run
from pushline.objects.manifest import Manifest
from pushline.trainer.failures import Failure


def succeeded(run: Run, manifest: Manifest, manifest_sha256: str) -> ModelTrained:
    files = tuple(File(file.name, file.sha256, file.size) for file in manifest.files)
    model = manifest.digest[:12]
    return ModelTrained(
        model=run.model,
        run_id=run.run_id,
        generation=run.generation,
        attempt=run.attempt,
        commit=run.commit,
        caused_by=run.push.id,
        outcome="succeeded",
        reason="",
        sentence=f"Commit {run.commit.sha[:12]} was trained to model {model}.",
        digest=manifest.digest,
        manifest_sha256=manifest_sha256,
        files=files,
        sandbox=manifest.sandbox,
    )


def failed(run: Run, failure: Failure, sandbox: str) -> ModelTrained:
    """`sandbox` is empty where no script ran."""
    return ModelTrained(
        model=run.model,
        run_id=run.run_id,
        generation=run.generation,
        attempt=run.attempt,
        commit=run.commit,
        caused_by=run.push.id,
        outcome="failed",
        reason=failure.reason,
        sentence=failure.sentence,
        digest="",
        manifest_sha256="",
        files=(),
        sandbox=sandbox,
    )
