"""Whether what is about to serve is in the object store."""

from pushline.line.events import Serving
from pushline.objects import keys
from pushline.objects.store import Store


class StoredFiles:
    def __init__(self, store: Store) -> None:
        self._store = store

    def missing(self, model: str, serving: Serving) -> str:
        wanted = [keys.manifest(model, serving.run_id, serving.manifest_sha256)]
        wanted += [keys.model_file(model, file.sha256, file.name) for file in serving.files]
        return next((key for key in wanted if not self._store.exists(key)), "")
