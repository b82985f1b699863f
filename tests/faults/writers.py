"""Many writers of the same objects at once, and readers between them: what is read is what its digest says, or not there yet."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pushline.objects import keys
from pushline.objects.store import ObjectMissing, Store, StoreError
from tests.faults.evidence import seeded

MOST_BYTES = 64 * 1024


def contents(model: str, how_many: int, seed: int) -> dict[str, bytes]:
    """Make objects under content-addressed keys."""
    chance = seeded(seed)
    made = [chance.randbytes(chance.randrange(1, MOST_BYTES)) for _ in range(how_many)]
    return {keys.model_file(model, hashlib.sha256(data).hexdigest(), "program.tflite"): data for data in made}


def written_at_once(stores: Sequence[Store], objects: dict[str, bytes], seed: int) -> tuple[int, list[str]]:
    """Have each writer put every object, in an order of its own; give how many reads verified, and what went wrong."""
    with ThreadPoolExecutor(len(stores)) as pool:
        told = list(pool.map(lambda numbered: _write_all(numbered[1], objects, seed + numbered[0]), enumerate(stores)))
    return sum(read for read, _ in told), [sentence for _, wrong in told for sentence in wrong]


def _write_all(store: Store, objects: dict[str, bytes], seed: int) -> tuple[int, list[str]]:
    chance, verified, wrong = seeded(seed), 0, list[str]()
    order = chance.sample([*objects], len(objects))
    for key in order:
        try:
            store.put_bytes(key, objects[key])
            verified += _reads(store, key, objects[key])
            other = chance.choice(order)
            verified += _reads(store, other, objects[other])
        except ObjectMissing:
            continue  # nobody has written the other one yet
        except StoreError as error:
            wrong.append(str(error))
    return verified, wrong


def _reads(store: Store, key: str, data: bytes) -> bool:
    with store.fetch(key, hashlib.sha256(data).hexdigest()) as path:
        if path.read_bytes() != data:
            raise StoreError(f"{key} was given with other bytes than its digest is of")
    return True
