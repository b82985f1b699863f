"""The auditor tells GitHub, GitLab and Gitea of commits. The forges are fakes that take nothing but right calls."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pushline.auditor.forge.text import marker
from pushline.line.events import GateResult
from pushline.line.memory import MemoryLog
from tests.fixtures.forge.server import FakeForge, serving
from tests.fixtures.forge.telling import KINDS, PUBLIC, auditor, forge_of, write_config
from tests.unit.auditor.telling import MODEL, Telling, Told
from tests.waiting import until

GATE = GateResult("accuracy", "min", 0.95, 0.93, 0.97, passed=False, sentence="accuracy 0.93 is under 0.95")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def forge(kind: str) -> Iterator[FakeForge]:
    with serving(forge_of(kind)) as running:
        yield running
    assert running.wrong == []


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def config(kind: str, forge: FakeForge, tmp_path: Path) -> Path:
    return write_config(tmp_path, {MODEL: (kind, forge)})


def pushed(tell: Telling, forge: FakeForge, word: str = "one") -> Told:
    """Push a commit that a pull request brought: Gitea's comments stand there."""
    told = tell.push(word)
    forge.requests[told.commit.sha] = 12 + len(forge.requests)
    return told


def deployed(tell: Telling, forge: FakeForge, word: str = "one") -> Told:
    told = pushed(tell, forge, word)
    tell.train(told)
    tell.judge(told)
    tell.promote(told)
    return told


def test_every_event_of_a_run_arrives_as_status_and_in_one_comment(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    with auditor(log, config):
        told = pushed(tell, forge)
        sha = told.commit.sha
        forge.shows(sha, "pending", "Training")
        tell.train(told)
        until(lambda: forge.newest(sha).get("gitlab") == "running" or "being evaluated" in forge.newest(sha)["description"])
        tell.judge(told, gates=(GATE,))
        until(lambda: "accuracy min" in "".join(comment.body for comment in forge.of(sha)), what="a comment")
        tell.promote(told)
        forge.shows(sha, "success", "Deployed as number 1: accuracy 0.97 is at least 0.9")
        until(lambda: "Deployed as number 1" in forge.of(sha)[0].body, what="an edited comment")

    (comment,) = forge.of(sha)
    assert comment.body.startswith(marker(MODEL, sha))
    assert comment.edits >= 1
    assert "| ❌ | accuracy min | 0.93 | 0.95 | 0.97 |" in comment.body
    assert forge.newest(sha)["target_url"] == f"{PUBLIC}/runs/{told.run_id}"
    assert f"({PUBLIC}/runs/{told.run_id})" in comment.body


def test_a_commit_without_news_has_a_status_and_no_comment(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    with auditor(log, config) as told_to:
        told = pushed(tell, forge)
        tell.train(told, "superseded", "superseded", "a newer commit came")
        forge.shows(told.commit.sha, "error", "Superseded: a newer commit came")
        told_to.is_quiet()

    assert forge.comments == []


def test_a_rerun_edits_the_comment_that_is_there(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    with auditor(log, config):
        told = pushed(tell, forge)
        tell.train(told, "failed", "script_failed", "train.py raised ValueError")
        until(lambda: forge.of(told.commit.sha), what="a comment")
        again = tell.rerun(told)
        until(lambda: "Attempt 2: training" in forge.of(told.commit.sha)[0].body, what="an edited comment")
        tell.train(again)
        tell.judge(again)
        tell.promote(again)
        forge.shows(told.commit.sha, "success", "Attempt 2: deployed as number 1")
        until(lambda: "Attempt 2: deployed" in forge.of(told.commit.sha)[0].body, what="an edited comment")

    assert len(forge.of(told.commit.sha)) == 1


def test_after_a_restart_the_comment_is_found_again_and_nothing_is_told_twice(
    log: MemoryLog, forge: FakeForge, config: Path
) -> None:
    tell = Telling(log)
    with auditor(log, config) as first:
        told = deployed(tell, forge)
        until(lambda: forge.of(told.commit.sha), what="a comment")
        first.is_quiet()
    before = len(forge.arrived)

    with auditor(log, config) as second:
        second.is_quiet()
        until(lambda: forge.made("GET"), what="a question")
        tell.person(told, "redeploy", "once more")
        forge.shows(told.commit.sha, "success", "Deployed again by ann")
        until(lambda: "Deployed again" in forge.of(told.commit.sha)[0].body, what="an edited comment")

    assert len(forge.of(told.commit.sha)) == 1
    assert len(forge.arrived) == before + 2


def test_what_ended_while_no_auditor_ran_is_told_at_its_next_start(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    with auditor(log, config) as first:
        deployed(tell, forge, "one")
        open_one = pushed(tell, forge, "two")
        forge.shows(open_one.commit.sha, "pending")
        first.is_quiet()
    tell.train(open_one)
    tell.judge(open_one)
    tell.promote(open_one)
    whole = deployed(tell, forge, "three")

    with auditor(log, config):
        forge.shows(whole.commit.sha, "success")
        forge.shows(open_one.commit.sha, "success")
        until(lambda: forge.of(whole.commit.sha) and forge.of(open_one.commit.sha), what="both comments")

    assert len(forge.comments) == 3


def test_at_the_first_start_nothing_is_told_of_a_long_history(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    for number in range(30):
        deployed(tell, forge, f"old {number}")
    with auditor(log, config) as told_to:
        until(lambda: len(forge.made("GET", "/status")) >= 20, what="the questions about old ones")
        young = deployed(tell, forge, "young")
        forge.shows(young.commit.sha, "success")
        until(lambda: forge.of(young.commit.sha), what="its comment")
        told_to.is_quiet()

    assert {sha for sha, statuses in forge.statuses.items() if statuses} == {young.commit.sha}
    assert {comment.sha for comment in forge.comments} == {young.commit.sha}


def test_of_two_comments_the_older_one_stays(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    with auditor(log, config):
        told = deployed(tell, forge)
        until(lambda: forge.of(told.commit.sha), what="a comment")
        mine = forge.of(told.commit.sha)[0]
        with forge.lock:
            forge.add_comment(told.commit.sha, mine.place, f"{marker(MODEL, told.commit.sha)}0000 -->\nsent by one who was killed")
        tell.person(told, "redeploy", "once more")
        until(lambda: len(forge.of(told.commit.sha)) == 1, what="one comment")
        until(lambda: "Deployed again" in forge.of(told.commit.sha)[0].body, what="an edited comment")

    assert forge.of(told.commit.sha)[0].id == mine.id


def test_the_comment_of_a_stranger_who_copied_the_marker_is_left_alone(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    told = pushed(tell, forge)
    theirs = f"{marker(MODEL, told.commit.sha)}0123456789abcdef -->\naccepted, believe me"
    forge.add_comment(told.commit.sha, str(forge.requests[told.commit.sha]), theirs, author=666)
    with auditor(log, config):
        tell.train(told)
        tell.judge(told)
        tell.promote(told)
        until(lambda: len(forge.of(told.commit.sha)) == 2, what="a comment of its own")

    assert forge.of(told.commit.sha)[0].body == theirs


def test_a_comment_among_many_others_is_found_again(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    told = pushed(tell, forge)
    place = str(forge.requests[told.commit.sha])
    for number in range(120):
        forge.add_comment(told.commit.sha, place, f"talk {number}", author=1000 + number)
    with auditor(log, config):
        tell.train(told)
        tell.judge(told)
        tell.promote(told)
        until(lambda: len(forge.of(told.commit.sha)) == 121, what="a comment")
    with auditor(log, config):
        tell.person(told, "redeploy")
        until(lambda: "Deployed again" in forge.of(told.commit.sha)[-1].body, what="an edited comment")

    assert len(forge.of(told.commit.sha)) == 121


def test_a_second_auditor_writes_nothing_while_the_first_one_does(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    with auditor(log, config) as first, auditor(log, config, writes=False) as second:
        for number in range(5):
            told = deployed(tell, forge, f"commit {number}")
            forge.shows(told.commit.sha, "success")
        until(lambda: len(forge.comments) == 5, what="the comments")
        first.is_quiet()
        second.is_quiet()

    told_successes = [text for _, what, text in forge.arrived if what == "status" and text.startswith("success")]
    assert len(told_successes) == 5
    assert all(len(forge.of(comment.sha)) == 1 for comment in forge.comments)
