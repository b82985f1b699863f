"""Whether what is about to serve is in the object store."""

from concurrent.futures import ThreadPoolExecutor

from pushline.line.events import Serving
from pushline.objects import keys
from pushline.objects.store import Store

ASKED_AT_ONCE = 4


class StoredFiles:
    def __init__(self, store: Store) -> None:
        self._store = store

    def missing(self, model: str, serving: Serving) -> str:
        wanted = [keys.manifest(model, serving.run_id, serving.manifest_sha256)]
        wanted += [keys.model_file(model, file.sha256, file.name) for file in serving.files]
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            there = list(pool.map(self._store.exists, wanted))
        return next((key for key, is_there in zip(wanted, there, strict=True) if not is_there), "")
