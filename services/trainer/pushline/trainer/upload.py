"""A training's files into the store, the manifest last: once it is there, everything is."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pushline.line.ledger import Run
from pushline.objects import keys, manifest
from pushline.objects.manifest import BadManifest, Dataset, Manifest, ManifestFile
from pushline.objects.store import ObjectMissing, ObjectTooLarge, Store
from pushline.trainer.evaluation_set import StoreSet
from pushline.trainer.failures import MODEL
from pushline.trainer.launch_result import LaunchResult
from pushline.trainer.metrics_bundle import NAME as METRICS
from pushline.trainer.repository_file import Plan
from pushline.trainer.sandbox.box import Received

ANSWERS, PROOF, TRAINING_ROWS = "answers.npz", "proof.npz", "training_rows.bin"
PUTS_AT_ONCE = 6


@dataclass(frozen=True, slots=True)
class Product:
    """Everything of a training that succeeded, on this machine."""

    run: Run
    plan: Plan
    result: LaunchResult
    files: dict[str, Received]
    seconds: float
    sandbox: str
    environment_sha256: str
    evaluation_set: StoreSet | None = None


def found(store: Store, run: Run) -> tuple[Manifest, str] | None:
    """Give the run's first complete manifest in name order, with its SHA-256. Raises StoreError."""
    prefix = keys.manifests(run.model, run.run_id)
    for key in store.list(prefix):
        promised = key.removeprefix(prefix).removesuffix(".json")
        try:
            data = store.read_bytes(key, manifest.MAX_MANIFEST_BYTES)
            read = manifest.load(data)
        except (ObjectMissing, ObjectTooLarge, BadManifest):
            continue
        if hashlib.sha256(data).hexdigest() == promised and (read.model, read.run_id) == (run.model, run.run_id):
            return read, promised
    return None


def upload(store: Store, product: Product) -> tuple[Manifest, str]:
    """Raises StoreError, BadManifest (before anything is written)."""
    made = manifest_of(product)
    data = manifest.dump(made)
    sha256 = hashlib.sha256(data).hexdigest()
    model = product.run.model
    puts = [(keys.model_file(model, file.sha256, file.name), product.files[file.name].path) for file in made.files]
    if made.dataset is not None:
        puts.append((keys.dataset(model, made.dataset.sha256), _set_file(product)))
    with ThreadPoolExecutor(PUTS_AT_ONCE) as pool:
        list(pool.map(lambda put: store.put_file(*put), puts))
    store.put_bytes(keys.manifest(model, product.run.run_id, sha256), data)
    store_again_what_is_gone(store, puts)
    return made, sha256


def store_again_what_is_gone(store: Store, puts: Sequence[tuple[str, Path]]) -> None:
    """From the manifest on `pushline gc` keeps the files; one that it removed before, as nobody's and old, is stored once more."""
    for key, path in puts:
        if not store.exists(key):
            store.put_file(key, path)


def manifest_of(product: Product) -> Manifest:
    run, plan, result, commit = product.run, product.plan, product.result, product.run.commit
    names = [MODEL, *dict.fromkeys(program.file for program in result.programs)]
    names += [name for name in _beside(product) if name in product.files]
    return Manifest(
        schema=manifest.SCHEMA,
        model=run.model,
        run_id=run.run_id,
        generation=run.generation,
        attempt=run.attempt,
        commit={name: getattr(commit, name) for name in ("repository", "ref", "sha", "before", "author", "message")},
        digest=product.files[MODEL].sha256,
        files=tuple(ManifestFile(name, product.files[name].sha256, product.files[name].size) for name in names),
        programs=result.programs,
        engine=result.engine,
        inputs=result.inputs,
        outputs=result.outputs,
        task=plan.task or result.task,
        labels=plan.labels,
        dataset=_dataset(product),
        gates=plan.gates,
        slices=plan.slices,
        confidence=plan.confidence,
        from_logits=result.from_logits,
        loss=result.loss,
        versions=result.versions,
        environment_sha256=product.environment_sha256,
        seeds=result.seeds,
        history=result.history,
        seconds=round(product.seconds, 3),
        sandbox=product.sandbox,
        quantiles=plan.quantiles,
        metrics=plan.metrics,
        allow_breaking=plan.allow_breaking,
    )


def _beside(product: Product) -> tuple[str, ...]:
    """What proves and measures the model beside its set; metrics.zip is the trainer's own, and only where it was asked for."""
    return (ANSWERS, PROOF, TRAINING_ROWS, *([METRICS] if product.plan.metrics else []))


def _set_file(product: Product) -> Path:
    if product.evaluation_set is not None:
        return product.evaluation_set.path
    assert product.result.dataset is not None  # noqa: S101 - _dataset has looked
    return product.files[product.result.dataset.file].path


def _dataset(product: Product) -> Dataset | None:
    chosen, frozen = product.evaluation_set, product.result.dataset
    if chosen is not None:
        return Dataset(chosen.file.sha256, chosen.size, chosen.rows, "store", chosen.file.address)
    if frozen is None:
        return None
    file = product.files[frozen.file]
    return Dataset(file.sha256, file.size, frozen.rows, "repository", frozen.taken_from or product.plan.dataset)
