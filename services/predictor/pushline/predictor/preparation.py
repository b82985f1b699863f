"""Everything about a new model that costs, before the process that serves is asked to open it: fetch, verify, check, try.

It runs in a child (preparing.py) so that no request waits for it; tests with a store in memory run it where they are. What a
deployed record or its objects are signed with is to be held against them here, in `_get`, before anything else reads the bytes.
"""

from dataclasses import dataclass
from pathlib import Path

from pushline.objects.store import DigestMismatch, ObjectMissing, ObjectTooLarge, Store, StoreError
from pushline.predictor import model_files
from pushline.predictor.errors import LoadPostponed, LoadRefused
from pushline.predictor.model_files import Bounds, Found
from pushline.predictor.opening import named_problems, warm
from pushline.predictor.ports import CheckProgram, Copies, Needs, OpenPrograms
from pushline.predictor.prepared import ModelFiles, Prepared


@dataclass(frozen=True, slots=True)
class Preparation:
    """Implements Prepare. Safe to use from many threads, one model in one at a time."""

    store: Store
    copies: Copies
    check: CheckProgram
    open_programs: OpenPrograms
    needs: Needs
    bounds: Bounds

    def prepare(self, wanted: ModelFiles) -> Prepared:
        found = model_files.find(wanted, lambda *of: self._get(wanted.model, *of), self.bounds)
        with named_problems(found.manifest.engine):
            needed = self._checked(found)
        return found.prepared(needed)

    def try_out(self, prepared: Prepared) -> None:
        """Open it and let it answer once. TensorFlow runs in a process of its own, where it can harm nobody."""
        if prepared.engine != "litert":
            return
        with named_problems(prepared.engine):
            engine = self.open_programs(prepared.files)
            try:
                warm(engine)
            finally:
                engine.close()

    def rest(self) -> None:
        """Nothing is held between two calls."""

    def close(self) -> None:
        """Likewise."""

    def _checked(self, found: Found) -> int:
        """Give the bytes of memory that it needs. Raises BadProgram, OSError."""
        if found.is_programs:
            for path, _ in found.files:
                self.check(path)
        return self.needs(found.manifest.engine, found.files)

    def _get(self, model: str, key: str, sha256: str, max_bytes: int) -> Path:
        found = self.copies.file(model, sha256)
        if found is not None:
            return found
        try:
            place = self.copies.place(model, sha256)
            self.store.fetch_to(key, sha256, place, max_bytes)
        except (StoreError, OSError) as error:
            raise _as_load_error(error) from error
        return place


def _as_load_error(error: StoreError | OSError) -> LoadPostponed | LoadRefused:
    if isinstance(error, ObjectTooLarge):
        return LoadRefused("too_large", str(error))
    if isinstance(error, OSError):
        return LoadPostponed("disk", f"the cache cannot be written: {error.strerror or error}")
    reasons = {ObjectMissing: "object_missing", DigestMismatch: "digest_mismatch"}
    return LoadPostponed(reasons.get(type(error), "store"), str(error))
