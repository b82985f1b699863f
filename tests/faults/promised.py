"""Whether the store holds what the log promises: every object that a valid event names, under the digest that it names."""

from collections.abc import Iterator, Sequence

from pushline.line.codec import decode
from pushline.line.events import Event, File, ModelDeployed, ModelEvaluated, ModelTrained
from pushline.line.records import Record
from pushline.objects import keys
from pushline.objects.store import Store, StoreError


def named(event: Event) -> Iterator[tuple[str, str]]:
    """Give the objects that an event names: key and SHA-256."""
    if isinstance(event, ModelTrained | ModelEvaluated):
        yield from _of_run(event.model, event.run_id, event.manifest_sha256, event.files)
    if isinstance(event, ModelEvaluated) and event.report_key:
        yield event.report_key, event.report_sha256
    if isinstance(event, ModelDeployed):
        for serving in event.serving:
            yield from _of_run(event.model, serving.run_id, serving.manifest_sha256, serving.files)


def _of_run(model: str, run_id: str, manifest_sha256: str, files: Sequence[File]) -> Iterator[tuple[str, str]]:
    if manifest_sha256:
        yield keys.manifest(model, run_id, manifest_sha256), manifest_sha256
    for file in files:
        yield keys.model_file(model, file.sha256, file.name), file.sha256


def broken(records: Sequence[Record], store: Store) -> list[str]:
    """Give a sentence for each object that is named and does not verify."""
    promises = {promise for record in records for promise in named(decode(record).event)}
    found = []
    for key, sha256 in sorted(promises):
        try:
            with store.fetch(key, sha256):
                pass
        except StoreError as error:
            found.append(str(error))
    return found
