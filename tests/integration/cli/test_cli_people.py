"""What people do to a line, and get wrong: whole commands at real Kafka and S3 protocols; a refusal writes nothing."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console

from pushline.cli import acts
from pushline.cli.exits import Exit
from pushline.cli.garbage import Rules
from pushline.cli.line_of_sight import OpenLine
from pushline.cli.main import run
from pushline.cli.sweeping import look, sweep
from pushline.cli.terminal import Terminal
from pushline.line.kafka import KafkaLog
from pushline.line.tail import Tail
from pushline.line.topics import TOPIC_NAMES
from pushline.objects import keys
from pushline.objects.minio_store import MinioStore
from tests.fixtures.garbage import ADA, StoredStory, litter, lost, play
from tests.servers import BrokerAddress, StoreAddress, topics_of_its_own
from tests.unit.cli.story import digest_of, sha_of

pytestmark = pytest.mark.timeout(180)
WHY = ["--reason", "worse on Mondays", "--actor", "ada"]


@dataclass
class Line:
    """Of `ours`: one, two and three were live in this order, gone was and its files were removed, open is in training."""

    ours: StoredStory
    theirs: StoredStory
    environ: dict[str, str]

    def told(self, *words: str, width: int = 200) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        terminal = Terminal(Console(file=out, width=width), Console(file=err, width=width), self.environ)
        return run(list(words), terminal), out.getvalue(), err.getvalue()

    def objects(self) -> set[str]:
        store = self.ours.objects
        return {key for kind in ("models", "runs", "datasets") for key in store.list(f"{kind}/{self.ours.model}/")}


@pytest.fixture(scope="module")
def line(broker_address: BrokerAddress, store_settings: StoreAddress) -> Iterator[Line]:
    with ExitStack() as stack:
        prefix = stack.enter_context(topics_of_its_own(broker_address, "people"))
        log = KafkaLog(broker_address.bootstrap, prefix, broker_address.options)
        stack.callback(log.close)
        tail = Tail(log, TOPIC_NAMES)
        tail.start()
        stack.callback(tail.stop)
        opened, mark = OpenLine(log, tail, MinioStore(*store_settings)), uuid4().hex[:8]
        environ = {
            "PUSHLINE_KAFKA": broker_address.bootstrap,
            "PUSHLINE_TOPIC_PREFIX": prefix,
            "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in broker_address.options.items()),
            "PUSHLINE_S3_ENDPOINT": store_settings.endpoint,
            "PUSHLINE_S3_BUCKET": store_settings.bucket,
            "PUSHLINE_S3_ACCESS_KEY": store_settings.access_key,
            "PUSHLINE_S3_SECRET_KEY": store_settings.secret_key,
            "PUSHLINE_S3_REGION": store_settings.region,
        }
        yield told_line(Line(StoredStory(f"ours-{mark}", opened), StoredStory(f"theirs-{mark}", opened), environ))


def told_line(line: Line) -> Line:
    for word in ("gone", "one", "two", "three"):
        line.ours.promote(word)
    line.theirs.promote("strange")
    trained = line.ours.run("gone").trained
    assert trained is not None
    for file in trained.event.files[:1]:
        line.ours.objects.delete(keys.model_file(line.ours.model, file.sha256, file.name))
    line.ours.objects.delete(line.ours.run("gone").evaluated["none"].event.report_key)
    line.ours.push("never-live")
    line.ours.train("never-live")
    line.ours.judge("never-live", "rejected")
    line.ours.close("never-live", "rejected")
    line.ours.push("open")
    return line


# words, with {ours} and {theirs} for models and <word> for the SHA of a commit or its run; the exit code; what is said
BAD: dict[str, tuple[str, Exit, str]] = {
    "a model that is not there": ("rollback -m nobody", Exit.NOT_FOUND, "No model 'nobody' on this line; there is"),
    "hold of a model that is not there": ("hold -m nobody", Exit.NOT_FOUND, "No model 'nobody' on this line"),
    "release of a model that is not there": ("release -m nobody", Exit.NOT_FOUND, "No model 'nobody' on this line"),
    "promote in a model that is not there": ("promote <open> -m nobody", Exit.NOT_FOUND, "No model 'nobody' on this line"),
    "rerun in a model that is not there": ("rerun <open> -m nobody", Exit.NOT_FOUND, "No model 'nobody' on this line"),
    "a digest that is not there": ("rollback -m {ours} --to ffffffff", Exit.NOT_FOUND, "that starts with 'ffffffff' was ever live"),
    "a redeploy of what is not there": ("redeploy -m {ours} --to ffffffff", Exit.NOT_FOUND, "has files that a predictor may open"),
    "a run that is not there": ("promote ffffffff", Exit.NOT_FOUND, "No run or commit starts with 'ffffffff'"),
    "a rerun of what is not there": ("rerun ffffffff", Exit.NOT_FOUND, "No run or commit starts with 'ffffffff'"),
    "a prefix that is too short": ("rollback -m {ours} --to ab", Exit.USAGE, "--to 'ab' is too short"),
    "a run's prefix that is too short": ("promote ab", Exit.USAGE, "'ab' is too short"),
    "a digest of another model": ("rollback -m {ours} --to <strange>", Exit.NOT_FOUND, "it is one of model theirs-"),
    "a redeploy of another model's": ("redeploy -m {ours} --to <strange>", Exit.NOT_FOUND, "it is one of model theirs-"),
    "a run of another model": ("promote <strange> -m {ours}", Exit.NOT_FOUND, "is no run or commit of ours-"),
    "a rerun of another model's": ("rerun <strange> -m {ours}", Exit.NOT_FOUND, "is no run or commit of ours-"),
    "a rollback to itself": ("rollback -m {ours} --to <three>", Exit.REFUSED, "there is nothing to roll back to there"),
    "a rollback to what was never live": ("rollback -m {ours} --to <never-live>", Exit.NOT_FOUND, "pushline redeploy puts it live"),
    "a rollback to what is in training": ("rollback -m {ours} --to <open>", Exit.NOT_FOUND, "is training: it has no verdict yet"),
    "a rollback past the retention": ("rollback -m {ours} --to <gone>", Exit.REFUSED, "it was removed (pushline gc, or by hand)"),
    "a redeploy of removed files": ("redeploy -m {ours} --to <gone>", Exit.REFUSED, "it was removed (pushline gc, or by hand)"),
    "a promote of what is live": ("promote <three>", Exit.REFUSED, "is live already"),
    "a promote of what is in training": ("promote <open>", Exit.REFUSED, "is not trained yet"),
    "a promote of a rejected run": ("promote <never-live>", Exit.REFUSED, "pushline redeploy puts it live all the same"),
    "a release of what is not held": ("release -m {ours}", Exit.REFUSED, "is not on hold"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_one_sentence_and_a_code_and_nothing_is_written(line: Line, case: str) -> None:
    assert_refused(line, case)


@pytest.mark.parametrize("case", list(BAD)[::4])
def test_a_dry_run_refuses_the_same(line: Line, case: str) -> None:
    assert_refused(line, case, "--dry-run")


def assert_refused(line: Line, case: str, *option: str) -> None:
    words, code, sentence = BAD[case]
    ends, objects = line.ours.ends(), line.objects()

    told = line.told(*spelled(line, words), *WHY, *option)

    assert told[0] == code, told
    assert sentence in told[2]
    assert told[2].count("\n") == 1
    assert (line.ours.ends(), line.objects()) == (ends, objects)


def spelled(line: Line, words: str) -> list[str]:
    said = words.format(ours=line.ours.model, theirs=line.theirs.model)
    return [sha_of(word.strip("<>")) if word.startswith("<") else word for word in said.split()]


@pytest.mark.parametrize("command", ["rollback", "redeploy --to <two>", "hold", "release"])
def test_an_act_without_a_reason_is_refused(line: Line, command: str) -> None:
    ends = line.ours.ends()

    without = line.told(*spelled(line, command), "-m", line.ours.model)
    empty = line.told(*spelled(line, command), "-m", line.ours.model, "--reason", "  ")

    assert (without[0], empty[0]) == (Exit.USAGE, Exit.USAGE)
    assert "--reason must say why" in empty[2]
    assert line.ours.ends() == ends


def test_a_name_that_fits_several_is_refused_with_all_of_them(line: Line) -> None:
    line.theirs.push("two")  # the same commit in another model

    code, _, said = line.told("rerun", sha_of("two"), *WHY)

    assert code == Exit.USAGE
    assert line.ours.run("two").run_id in said
    assert line.theirs.run("two").run_id in said


def test_a_report_that_was_removed_is_named(line: Line) -> None:
    code, _, said = line.told("report", sha_of("gone"))

    assert code == Exit.NOT_FOUND
    assert "The report is gone: no object under" in said


def test_a_rollback_is_told_before_it_is_done_and_done_as_it_was_told(line: Line) -> None:
    before = line.ours.line()
    words = ("rollback", "-m", line.ours.model, *WHY, "--json")
    told: dict[str, Any] = json.loads(line.told(*words, "--dry-run")[1])
    assert line.ours.line().deploy_seq == before.deploy_seq

    done: dict[str, Any] = json.loads(line.told(*words)[1])

    line.ours.tail.catch_up(10)
    assert (told["written"], done["written"]) == (False, True)
    assert told["live_after"] == done["digest"] == line.ours.line().live_digest
    assert set(told["barred"]) == line.ours.line().barred == {digest_of("three")}
    assert told["files"]["objects"] == 3


def test_hold_and_release_are_told_and_done(line: Line) -> None:
    held = line.told("hold", "-m", line.theirs.model, *WHY)
    again = line.told("hold", "-m", line.theirs.model, "--reason", "me too", "--actor", "bob")
    let_go = line.told("release", "-m", line.theirs.model, *WHY)

    assert held[1].startswith(f"hold: nothing goes live as {line.theirs.model} by itself until pushline release")
    assert (again[0], "is on hold already (hold by ada: worse on Mondays)" in again[2]) == (Exit.REFUSED, True)
    assert let_go[0] == Exit.OK


def test_gc_shows_by_default_and_removes_with_delete(line: Line) -> None:
    left, strange = litter(line.theirs), line.objects()
    words = ("gc", "--grace", "1ms", "--keep", "1", "--keep-runs", "1")

    code, shown, _ = line.told(*words, width=80)
    assert code == Exit.OK
    assert "would be removed; nothing was. --delete removes it." in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert all(line.theirs.objects.exists(key) for key in left)

    told: dict[str, Any] = json.loads(line.told(*words, "--delete", "--json")[1])

    assert told["deleted"]
    assert {each["key"] for each in told["garbage"] if each["removed"]} >= set(left)
    assert not any(line.theirs.objects.exists(key) for key in left)
    assert line.objects() < strange
    assert line.told("rollback", "-m", line.ours.model, "--to", sha_of("three"), *WHY)[0] == Exit.REFUSED


def test_a_grace_time_that_is_none_is_refused(line: Line) -> None:
    code, _, said = line.told("gc", "--grace", "soon")

    assert (code, said.startswith('pushline: --grace: "soon" is no duration')) == (Exit.USAGE, True)


@pytest.mark.parametrize("seed", range(3))
def test_after_a_gc_all_that_is_kept_can_be_put_live_and_replayed(line: Line, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - chance that can be repeated, no secret
    story = StoredStory(f"fuzzed-{uuid4().hex[:8]}", line.ours.open)
    play(story, chance, 12)
    left, keep, keep_runs = litter(story), chance.randint(1, 2), chance.randint(0, 2)
    rules = Rules(keep, keep_runs, timedelta(0))

    swept = sweep(story.open, look(story.open, rules), rules, lambda _: None, settle_seconds=0)

    assert lost(story, keep, keep_runs) == []
    assert {key for key in left if story.objects.exists(key)} == set()
    assert len(swept.removed) > len(left)


def test_a_person_who_acts_on_an_old_view_is_told_who_was_faster(line: Line) -> None:
    mine = acts.hold(line.theirs.line(), ADA)
    line.theirs.publish(mine)

    code, _, said = line.told("hold", "-m", line.theirs.model, "--reason", "later", "--actor", "bob")

    assert (code, "ada" in said) == (Exit.REFUSED, True)
    line.theirs.publish(acts.release(line.theirs.line(), ADA))
