"""Whether what a person puts live is in the store, and is what its digests say."""

from dataclasses import dataclass

from pushline.cli.exits import Exit, Said
from pushline.line.events import Serving
from pushline.objects import keys
from pushline.objects.store import DigestMismatch, ObjectMissing, Store, StoreError


@dataclass(frozen=True, slots=True)
class Verified:
    objects: int
    bytes: int
    problem: str = ""  # a sentence, where it was only looked at


NOTHING = Verified(0, 0)


def verify(store: Store, model: str, serving: Serving) -> Verified:
    """Read every file, then the manifest, which goes first where something is removed. Raises Said."""
    files = [(keys.model_file(model, file.sha256, file.name), file.sha256) for file in serving.files]
    size = 0
    try:
        for key, sha256 in (*files, (manifest_of(model, serving), serving.manifest_sha256)):
            with store.fetch(key, sha256) as path:
                size += path.stat().st_size
    except ObjectMissing as error:
        said = f"{serving.digest[:12]} cannot be served: {error}; it was removed (pushline gc, or by hand). Nothing changed."
        raise Said(said, Exit.REFUSED) from None
    except DigestMismatch as error:
        raise Said(f"{serving.digest[:12]} cannot be served: {error}. Nothing changed.", Exit.REFUSED) from None
    except StoreError as error:
        raise Said(f"The store does not answer: {error}. Nothing changed.", Exit.UNREACHABLE) from None
    return Verified(len(files) + 1, size)


def look(store: Store, model: str, serving: Serving) -> Verified:
    """Verify what would go live by itself: what is wrong is told, and refuses nothing."""
    try:
        return verify(store, model, serving)
    except Said as said:
        return Verified(0, 0, said.sentence.removesuffix(" Nothing changed."))


def manifest_of(model: str, serving: Serving) -> str:
    return keys.manifest(model, serving.run_id, serving.manifest_sha256)
