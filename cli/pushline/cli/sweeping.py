"""Removing what garbage.py found, so that whoever needs some of it meanwhile wins.

Manifests go first: nobody puts a model live whose manifest is gone. Then the log is read to its end once more, after a while in
which a record that was decided before can arrive, and what is needed by then is put back. An object that was written again since it
was listed stays, whoever wrote it.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from pushline.cli.exits import Exit, Said
from pushline.cli.garbage import PREFIXES, Decision, Fate, Rules, decide
from pushline.cli.line_of_sight import CATCH_UP_SECONDS, OpenLine
from pushline.line.broker import BrokerUnavailable
from pushline.objects import manifest
from pushline.objects.manifest import BadManifest, Manifest
from pushline.objects.store import Listed, ObjectMissing, ObjectTooLarge, Store, StoreError

AT_ONCE = 8
SETTLE_SECONDS = 2.0
Tick = Callable[[int], None]  # so many more objects were looked at or removed


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found, and what is decided about it."""

    objects: tuple[Listed, ...]
    manifests: dict[str, Manifest]
    now: datetime  # by the store's clock
    decision: Decision


@dataclass(frozen=True, slots=True)
class Swept:
    removed: tuple[Fate, ...]
    changed: tuple[str, ...]  # written again meanwhile: they stay
    needed: tuple[str, ...]  # wanted by a record that came meanwhile: they stay, or were put back


def look(line: OpenLine, rules: Rules) -> Seen:
    """List first, fold then: what began a run whose objects are listed is in the fold. Raises Said, StoreError."""
    now = line.store.clock()
    objects = tuple(each for prefix in PREFIXES for each in line.store.objects(prefix))
    manifests = dict(_manifests(line.store, objects))
    return Seen(objects, manifests, now, _decided(line, objects, manifests, rules, now))


def sweep(line: OpenLine, seen: Seen, rules: Rules, tick: Tick, settle_seconds: float = SETTLE_SECONDS) -> Swept:
    """Raises Said, StoreError; what was removed until then was garbage, and manifests of the rest are back."""
    garbage = seen.decision.garbage
    first = [fate for fate in garbage if _is_manifest(fate.object.key)]
    held = dict(_bytes(line.store, first))
    gone = [fate.object.key for fate in _remove(line.store, first, tick)]
    try:
        time.sleep(settle_seconds)  # not a wait for a state: who decided before may still append
        now_garbage = {fate.object.key for fate in _again(line, seen, rules).garbage}
    except (Said, StoreError):
        _put_back(line.store, {key: held[key] for key in gone if key in held})
        raise
    _put_back(line.store, {key: held[key] for key in gone if key in held and key not in now_garbage})
    still = [fate for fate in garbage if fate.object.key in now_garbage]
    removed = [fate for fate in still if fate.object.key in gone]
    removed += _remove(line.store, [fate for fate in still if not _is_manifest(fate.object.key)], tick)
    needed = [fate.object.key for fate in garbage if fate.object.key not in now_garbage]
    names = {fate.object.key for fate in removed}
    changed = [fate.object.key for fate in garbage if fate.object.key not in names and fate.object.key not in needed]
    return Swept(tuple(removed), tuple(changed), tuple(needed))


def _again(line: OpenLine, seen: Seen, rules: Rules) -> Decision:
    """Decide once more on the same listing, with the log of now, and manifests that runs wrote meanwhile."""
    fresh = [each for each in line.store.objects("runs/") if _is_manifest(each.key) and each.key not in seen.manifests]
    manifests = seen.manifests | dict(_manifests(line.store, fresh))
    return _decided(line, seen.objects, manifests, rules, seen.now)


def _decided(line: OpenLine, objects: Sequence[Listed], manifests: dict[str, Manifest], rules: Rules, now: datetime) -> Decision:
    try:
        line.tail.catch_up(CATCH_UP_SECONDS)
    except BrokerUnavailable as error:
        raise Said(f"The log cannot be read to its end, and without it nothing is removed: {error}.", Exit.UNREACHABLE) from None
    with line.tail.read() as ledger:
        return decide(ledger, objects, manifests, rules, now)


def _manifests(store: Store, objects: Iterable[Listed]) -> Iterator[tuple[str, Manifest]]:
    wanted = [each.key for each in objects if _is_manifest(each.key)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for key, read in zip(wanted, pool.map(lambda key: _manifest(store, key), wanted), strict=True):
            if read is not None:
                yield key, read


def _manifest(store: Store, key: str) -> Manifest | None:
    """None where nobody could use it: not there any more, cut short, or not what its name says."""
    try:
        data = store.read_bytes(key, manifest.MAX_MANIFEST_BYTES)
        return manifest.load(data) if hashlib.sha256(data).hexdigest() in key else None
    except (ObjectMissing, ObjectTooLarge, BadManifest):
        return None


def _remove(store: Store, fates: Sequence[Fate], tick: Tick) -> list[Fate]:
    """Give those that went."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        gone = list(pool.map(lambda fate: _remove_one(store, fate, tick), fates))
    return [fate for fate, went in zip(fates, gone, strict=True) if went]


def _remove_one(store: Store, fate: Fate, tick: Tick) -> bool:
    there = store.stat(fate.object.key)
    same = there is not None and _second(there.modified) == _second(fate.object.modified)
    if same:
        store.delete(fate.object.key)
    tick(1)
    return same


def _second(moment: datetime) -> datetime:
    """A listing has milliseconds, an object's head has seconds."""
    return moment.replace(microsecond=0)


def _bytes(store: Store, fates: Iterable[Fate]) -> Iterator[tuple[str, bytes]]:
    for fate in fates:
        with suppress(ObjectMissing):  # another sweep was here
            yield fate.object.key, store.read_bytes(fate.object.key)


def _put_back(store: Store, held: dict[str, bytes]) -> None:
    for key, data in held.items():
        store.put_bytes(key, data)


def _is_manifest(key: str) -> bool:
    return key.startswith("runs/") and key.split("/")[3:4] == ["manifests"]
