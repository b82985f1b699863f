"""`pushline gc`: what is needed stays, whoever is at work meanwhile; what is not goes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from pushline.cli import acts, sweeping
from pushline.cli.exits import Exit, Said
from pushline.cli.garbage import Rules
from pushline.cli.line_of_sight import OpenLine
from pushline.cli.sweeping import Swept, look, sweep
from pushline.line.memory import MemoryLog
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.objects import keys, manifest
from pushline.objects.manifest import Dataset
from pushline.objects.memory_store import MemoryStore
from pushline.objects.store import Store
from tests.fixtures.garbage import ADA, StoredStory, litter, lost, play, sha256
from tests.unit.cli.story import MODEL, sha_of
from tests.unit.objects.test_objects_manifest import MANIFEST

NONE = timedelta(0)


class HookedStore(MemoryStore):
    """Calls `meanwhile` once, in front of the first removal of a manifest or of something else."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: dict[str, Callable[[], object]] = {}  # manifests | others

    def delete(self, key: str, /) -> None:
        what = "manifests" if "/manifests/" in key else "others"
        super().delete(key)
        self.meanwhile.pop(what, lambda: None)()


@contextmanager
def a_line(store: Store | None = None) -> Iterator[StoredStory]:
    log = MemoryLog(4)
    tail = Tail(log, TOPIC_NAMES)
    tail.start()
    try:
        yield StoredStory(MODEL, OpenLine(log, tail, store or MemoryStore()))
    finally:
        tail.stop()


def collected(story: StoredStory, keep: int = 1, keep_runs: int = 0, grace: timedelta = NONE) -> Swept:
    rules = Rules(keep, keep_runs, grace)
    return sweep(story.open, look(story.open, rules), rules, lambda _: None, settle_seconds=0)


def everything(story: StoredStory) -> set[str]:
    return set(story.objects.list(""))


@pytest.mark.parametrize("seed", range(25))
def test_what_can_be_rolled_back_to_redeployed_promoted_or_replayed_is_there_after_it(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    keep, keep_runs = chance.randint(1, 3), chance.randint(0, 4)
    with a_line() as story:
        play(story, chance, 25)
        left = litter(story)
        assert lost(story, keep, keep_runs) == []

        swept = collected(story, keep, keep_runs)

        assert lost(story, keep, keep_runs) == []
        assert not set(left) & everything(story)
        assert len(swept.removed) > len(left)
        assert collected(story, keep, keep_runs).removed == ()


def test_the_oracle_sees_what_is_missing() -> None:
    with a_line() as story:
        story.promote("one")
        trained = story.run("one").trained
        assert trained is not None
        key = keys.model_file(MODEL, trained.event.files[0].sha256, "model.h5")
        story.objects.delete(key)

        assert lost(story, 1, 0) == [f"{key}: is gone"]


def test_what_is_younger_than_the_grace_time_stays() -> None:
    with a_line() as story:
        story.promote("one")
        litter(story)
        before = everything(story)

        assert collected(story, grace=timedelta(seconds=30)).removed == ()
        assert everything(story) == before


def test_old_is_what_is_old_by_the_stores_clock() -> None:
    now = [datetime(2001, 1, 1, tzinfo=UTC)]
    with a_line(MemoryStore(lambda: now[0])) as story:
        story.promote("one")
        left = litter(story)
        now[0] += timedelta(hours=25)

        assert {fate.object.key for fate in collected(story, grace=timedelta(days=1)).removed} == set(left)


def test_of_a_look_alone_nothing_goes() -> None:
    with a_line() as story:
        story.promote("one")
        litter(story)
        before = everything(story)

        assert look(story.open, Rules(1, 0, NONE)).decision.garbage

        assert everything(story) == before


def test_what_the_line_did_not_make_stays() -> None:
    theirs = [
        keys.dataset(MODEL, sha256(b"uploaded by a person")),
        f"datasets/{MODEL}/training.csv",
        "models/of-another-line/" + "a" * 64 + "/model.h5",
        "runs/of-another-line/some-run/tries/1-aa/started",
        "backups/of-somebody",
    ]
    with a_line() as story:
        story.promote("one")
        for key in theirs:
            story.objects.put_bytes(key, b"uploaded by a person")

        collected(story)

        assert set(theirs) <= everything(story)


def test_a_set_that_no_kept_run_is_judged_by_goes() -> None:
    with a_line() as story:
        for word in ("one", "two", "three"):
            story.promote(word)
        first = keys.dataset(MODEL, sha256(f"set {MODEL} 1".encode()))
        assert first in everything(story)

        collected(story)

        assert first not in everything(story)


def test_a_set_that_the_repository_names_in_the_store_stays_there() -> None:
    """A person put it where trainings put theirs; its name alone does not tell."""
    with a_line() as story:
        for word in ("one", "two", "three"):
            story.promote(word)
        data = b"a person's own"
        key = keys.dataset(MODEL, sha256(data))
        story.objects.put_bytes(key, data)
        named = Dataset(sha256(data), len(data), 1, "store", f"s3://pushline/{key}#sha256={sha256(data)}")
        made = manifest.dump(replace(MANIFEST, model=MODEL, run_id=story.run("one").run_id, dataset=named))
        story.objects.put_bytes(keys.manifest(MODEL, story.run("one").run_id, sha256(made)), made)

        collected(story)

        assert key in everything(story)


def test_a_model_with_runs_that_the_log_does_not_know_is_left_alone() -> None:
    """A log that was restored from an older backup knows nothing of them, and may know nothing of what needs them."""
    with a_line() as story:
        story.promote("one")
        left = litter(story)
        unknown = f"runs/{MODEL}/6f9619ff-8b86-d011-b42d-00c04fc964ff/tries/1-aa/started"
        story.objects.put_bytes(unknown, b"{}")

        seen = look(story.open, Rules(1, 0, NONE))
        assert "runs of it that the log does not know" in seen.decision.left_alone[MODEL]
        assert collected(story).removed == ()
        rules = Rules(1, 0, NONE, unknown_runs=True)
        swept = sweep(story.open, look(story.open, rules), rules, lambda _: None, settle_seconds=0)

        assert {fate.object.key for fate in swept.removed} == {*left, unknown}


def test_a_model_of_which_a_replica_serves_what_the_log_does_not_know_is_left_alone() -> None:
    with a_line() as story:
        story.promote("one")
        litter(story)
        story.line().highest_served_seq = 7

        assert "an older log was restored" in look(story.open, Rules(1, 0, NONE)).decision.left_alone[MODEL]
        assert collected(story).removed == ()


def test_without_the_end_of_the_log_nothing_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "CATCH_UP_SECONDS", 0.2)
    with a_line() as story:
        story.promote("one")
        litter(story)
        before = everything(story)
        seen = look(story.open, Rules(1, 0, NONE))
        assert isinstance(story.open.log, MemoryLog)
        story.open.log.set_unavailable(True)

        with pytest.raises(Said, match="cannot be read to its end") as caught:
            sweep(story.open, seen, Rules(1, 0, NONE), lambda _: None, settle_seconds=0)

        assert caught.value.code == Exit.UNREACHABLE
        assert everything(story) == before


def test_a_file_that_is_uploaded_again_meanwhile_stays() -> None:
    with a_line() as story:
        story.promote("one")
        left = litter(story)
        rules = Rules(1, 0, NONE)
        seen = look(story.open, rules)
        before = story.objects.stat(left[0])
        while story.objects.clock().replace(microsecond=0) == seen.now.replace(microsecond=0):
            pass
        story.objects.put_bytes(left[0], b"half an upload")

        swept = sweep(story.open, seen, rules, lambda _: None, settle_seconds=0)

        assert before is not None
        assert swept.changed == (left[0],)
        assert left[0] in everything(story)


def test_a_model_that_is_redeployed_meanwhile_stays_whole() -> None:
    """The record was decided when all was there, and came when its manifest was gone: it is put back."""
    store = HookedStore()
    with a_line(store) as story:
        for word in ("one", "two", "three"):
            story.promote(word)
        event = acts.redeploy(story.line(), sha_of("one"), ADA)
        store.meanwhile["manifests"] = lambda: story.publish(event)

        swept = collected(story)

        assert story.line().live[0].run_id == story.run("one").run_id
        assert lost(story, 1, 0) == []
        assert any("/manifests/" in key for key in swept.needed)


def test_two_at_once_remove_no_more_than_one() -> None:
    store = HookedStore()
    with a_line(store) as story:
        for word in ("one", "two", "three"):
            story.promote(word)
        store.meanwhile["manifests"] = lambda: collected(story)

        collected(story)

        assert lost(story, 1, 0) == []
        assert collected(story).removed == ()
