"""Forges that fail, stall, limit, refuse and lead elsewhere; tokens and configurations that change."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pushline.auditor.forge import http
from pushline.auditor.forge.reports import StoredReports
from pushline.line.memory import MemoryLog
from pushline.objects.memory_store import MemoryStore
from tests.fixtures.forge.reported import store_report
from tests.fixtures.forge.server import Call, FakeForge, Fault, serving
from tests.fixtures.forge.telling import auditor, forge_of, write_config
from tests.unit.auditor.telling import MODEL, Telling, Told
from tests.waiting import until


def times(number: int, fault: Fault, of: str = "") -> Callable[[Call], Fault | None]:
    """Let the first calls of a kind meet a fault."""
    left = [number]

    def meet(call: Call) -> Fault | None:
        if of not in f"{call.method} {call.path}" or left[0] == 0:
            return None
        left[0] -= 1
        return fault

    return meet


def deployed(tell: Telling, word: str = "one") -> Told:
    told = tell.push(word)
    tell.train(told)
    tell.judge(told)
    tell.promote(told)
    return told


PASSES = {
    "500": Fault(500, body={"message": "oops"}),
    "502": Fault(502, raw=b"<html>no JSON</html>"),
    "503": Fault(503),
    "409": Fault(409, body={"message": "conflict"}),
    "answer lost": Fault(lost=True),
    "limited by seconds": Fault(429, {"retry-after": "1"}),
    "limited, as GitHub says it": Fault(403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1", "date": "x"}),
    "limited for a second": Fault(403, {"retry-after": "1"}, {"message": "You have exceeded a secondary rate limit"}),
}


@pytest.mark.parametrize("name", PASSES)
def test_trouble_that_passes_is_waited_out(log: MemoryLog, forge: FakeForge, config: Path, name: str) -> None:
    tell = Telling(log)
    forge.fault = times(2, PASSES[name], "POST")

    with auditor(log, config) as told_to:
        told = deployed(tell)
        forge.shows(told.commit.sha, "success")
        until(lambda: forge.of(told.commit.sha), what="a comment")
        told_to.is_quiet()

        assert told_to.problems == {}
    assert len(forge.of(told.commit.sha)) == 1


def test_an_answer_that_was_lost_makes_no_second_comment(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    forge.fault = times(1, Fault(lost=True), "/comments")

    with auditor(log, config) as told_to:
        told = deployed(tell)
        until(lambda: forge.of(told.commit.sha), what="a comment")
        forge.fault = times(3, Fault(lost=True), "PATCH")
        tell.person(told, "redeploy")
        until(lambda: "Deployed again" in forge.of(told.commit.sha)[0].body, what="an edited comment")
        told_to.is_quiet()

    assert len(forge.of(told.commit.sha)) == 1


def test_a_limit_is_kept_to_the_second(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    forge.fault = times(1, Fault(429, {"retry-after": "2"}))

    with auditor(log, config) as told_to:
        told = Telling(log).push("one")
        until(lambda: "no further call for 2 s" in told_to.problems.get(f"forge of {MODEL}", ""), what="the reason")
        forge.shows(told.commit.sha, "pending")

    first, second = forge.calls[:2]
    assert 1.9 < second.at - first.at < 4


def test_one_models_forge_delays_no_other_one(log: MemoryLog, forge: FakeForge, tmp_path: Path) -> None:
    with serving(forge_of("gitea")) as slow:
        slow.project = "team/iris"
        config = write_config(tmp_path, {MODEL: ("github", forge), "iris": ("gitea", slow)})
        released = threading.Event()
        slow.fault = lambda _: Fault(503) if not released.wait(20) else None
        with auditor(log, config):
            Telling(log, "iris").push("waits")
            began = time.monotonic()
            told = Telling(log).push("one")
            forge.shows(told.commit.sha, "pending")

            assert time.monotonic() - began < 2
            released.set()


def test_a_commit_that_the_forge_trips_over_delays_no_other_one(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    bad = tell.push("bad")
    forge.fault = lambda call: Fault(500) if bad.commit.sha in call.path else None
    with auditor(log, config) as told_to:
        until(lambda: "answers 500" in str(told_to.problems), what="the trouble")
        began = time.monotonic()
        forge.shows(tell.push("good").commit.sha, "pending")

        assert time.monotonic() - began < 2


def test_a_store_that_is_away_delays_the_comment_and_no_status(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    store, tell = MemoryStore(), Telling(log)
    with auditor(log, config, StoredReports(store)) as told_to:
        told = tell.push("one")
        tell.train(told)
        report = store_report(store, MODEL, told)
        store.set_unavailable(True)
        tell.judge(told, report=report)
        tell.promote(told)
        forge.shows(told.commit.sha, "success")
        until(lambda: "store: " in str(told_to.problems), what="the reason")
        assert forge.comments == []
        store.set_unavailable(False)
        until(lambda: forge.comments, what="the comment")

        assert "Accepted: digits at" in forge.comments[0].body  # the report's own words


def test_an_answer_without_an_end_is_given_up_in_time(
    log: MemoryLog, forge: FakeForge, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "WHOLE_SECONDS", 1.0)
    forge.fault = times(1, Fault(trickle=True))
    with auditor(log, config) as told_to:
        told = Telling(log).push("one")
        until(lambda: "the answer did not come within 1 s" in str(told_to.problems), what="the reason")
        until(lambda: len(forge.statuses.get(told.commit.sha, [])) > 1, what="another try")


def test_an_answer_that_is_huge_is_given_up(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    forge.fault = times(1, Fault(raw=b"x" * (http.MAX_ANSWER_BYTES + 1)))
    with auditor(log, config) as told_to:
        told = Telling(log).push("one")
        until(lambda: "the answer is larger than" in str(told_to.problems), what="the reason")
        until(lambda: len(forge.statuses.get(told.commit.sha, [])) > 1, what="another try")


@pytest.mark.parametrize("raw", [b"", b"no JSON", b"[" * 100_000, b'{"id": "x", "creator": 3}', b"null"])
def test_an_answer_of_another_shape_is_no_trouble(log: MemoryLog, forge: FakeForge, config: Path, raw: bytes) -> None:
    tell = Telling(log)
    forge.fault = lambda call: Fault(raw=raw) if call.method == "POST" else None
    with auditor(log, config) as told_to:
        told = deployed(tell)
        until(lambda: forge.of(told.commit.sha), what="a comment")
        told_to.is_quiet()

        assert told_to.problems == {}


def test_an_apps_token_that_may_not_ask_who_it_is_finds_its_bots_comment(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    tell = Telling(log)
    forge.may_ask_who = False
    with auditor(log, config) as first:
        told = deployed(tell)
        until(lambda: forge.of(told.commit.sha), what="a comment")
        first.is_quiet()
    forge.of(told.commit.sha)[0].place = "by a bot"

    forge.fault = lambda call: Fault(raw=b"{}") if call.path.endswith(f"/statuses/{told.commit.sha}") else None
    with auditor(log, config):
        until(lambda: forge.made("GET", "/user"), what="the question")
        tell.person(told, "redeploy")
        until(lambda: "Deployed again" in forge.of(told.commit.sha)[0].body, what="an edited comment")

    assert len(forge.of(told.commit.sha)) == 1


def test_a_commit_that_no_pull_request_brought_has_a_status_alone_at_gitea(log: MemoryLog, tmp_path: Path) -> None:
    with serving(forge_of("gitea")) as forge:
        config = write_config(tmp_path, {MODEL: ("gitea", forge)})
        with auditor(log, config) as told_to:
            told = deployed(Telling(log))
            forge.shows(told.commit.sha, "success")
            until(lambda: forge.made("GET", "/pull"), what="the question")
            told_to.is_quiet()

            assert told_to.problems == {}
        assert (forge.comments, forge.wrong) == ([], [])


def test_gitlab_is_not_told_again_what_is_open(log: MemoryLog, tmp_path: Path) -> None:
    """Its states only move on: a repeat of an open one is refused, and that is no trouble."""
    with serving(forge_of("gitlab")) as forge:
        config = write_config(tmp_path, {MODEL: ("gitlab", forge)})
        tell = Telling(log)
        told = tell.push("one")
        for _ in range(2):
            with auditor(log, config) as told_to:
                forge.shows(told.commit.sha, "pending")
                until(lambda: len(forge.made("POST")) > 0, what="a call")
                told_to.is_quiet()
                assert told_to.problems == {}
        with auditor(log, config):
            tell.train(told, "superseded", "superseded", "a newer one came")
            forge.shows(told.commit.sha, "error")

        assert [status["gitlab"] for status in forge.statuses[told.commit.sha]] == ["pending", "canceled"]


def test_log_lines_name_run_commit_model_and_forge(log: MemoryLog, forge: FakeForge, config: Path) -> None:
    with auditor(log, config) as told_to:
        told = Telling(log).push("one")
        forge.shows(told.commit.sha, "pending")
        until(lambda: "told the forge" in told_to.logged.getvalue(), what="a line")

    line = json.loads(told_to.logged.getvalue().splitlines()[0])
    assert (line["message"], line["run_id"], line["forge"]) == ("told the forge", told.run_id, "github")
    assert line["labels"] == {"model": MODEL, "commit": told.commit.sha}
