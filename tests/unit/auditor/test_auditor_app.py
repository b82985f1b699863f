"""What the auditor answers, over its whole application on a log in memory."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from pushline.auditor.__main__ import build
from pushline.line.events import GateResult
from pushline.line.memory import MemoryLog
from pushline.line.tail import Tail
from tests.unit.auditor.telling import MODEL, Telling, digest_of

NOON_MS = 1_790_000_000_000


@dataclass(frozen=True)
class Client:
    """Asks the application without a network."""

    app: ASGIApp

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def ask(self, method: str, path: str) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://auditor") as client:
                return await client.request(method, path)

        return asyncio.run(answer())


@dataclass(frozen=True)
class Subject:
    log: MemoryLog
    tell: Telling
    tail: Tail
    client: Client

    def get(self, path: str, status: int = 200) -> Any:
        self.tail.catch_up(10)
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.json()

    def page(self, path: str = "/") -> str:
        self.tail.catch_up(10)
        return self.client.get(path).text


@pytest.fixture
def subject() -> Iterator[Subject]:
    log = MemoryLog(clock=lambda: NOON_MS / 1000)
    auditor = build(log, lambda: NOON_MS)
    auditor.tail.start()
    try:
        yield Subject(log, Telling(log), auditor.tail, Client(auditor.app))
    finally:
        auditor.tail.stop()


def test_a_run_shows_how_far_it_came_and_what_is_live(subject: Subject) -> None:
    told = subject.tell.deploy("first")

    (run,) = subject.get("/api/runs")["runs"]

    assert (run["run_id"], run["stage"], run["outcome"], run["live"]) == (told.run_id, "deployed", "deployed", True)
    assert run["reached"] == ["commit", "trained", "evaluated", "deployed", "served"]
    assert run["digest"] == digest_of("first")
    assert run["pushed"] == "2026-09-21T14:13:20Z"


def test_runs_are_newest_first_and_paged(subject: Subject) -> None:
    words = ["first", "second", "third"]
    told = {word: subject.tell.push(word).run_id for word in words}

    page = subject.get("/api/runs?skip=1&limit=1")

    assert [run["run_id"] for run in subject.get("/api/runs")["runs"]] == [told[word] for word in reversed(words)]
    assert ([run["run_id"] for run in page["runs"]], page["total"]) == ([told["second"]], 3)


def test_a_failed_run_says_why(subject: Subject) -> None:
    told = subject.tell.push("broken")
    subject.tell.train(told, "failed", "script_failed", "NameError: x\nTraceback of the script")

    (run,) = subject.get("/api/runs?stage=failed")["runs"]

    assert (run["reason"], run["sentence"].splitlines()[0]) == ("script_failed", "NameError: x")
    assert (run["reached"], run["stopped_at"]) == (["commit"], "trained")
    assert subject.get("/api/runs?stage=deployed")["runs"] == []
    assert "NameError: x" in subject.page()


def test_a_rejected_run_stops_in_front_of_deployed(subject: Subject) -> None:
    told = subject.tell.push("worse")
    subject.tell.train(told)
    subject.tell.judge(told, "rejected", "accuracy 0.81 is under the gate 0.95")
    subject.tell.close(told, "accuracy 0.81 is under the gate 0.95")

    (run,) = subject.get("/api/runs")["runs"]

    assert (run["stage"], run["verdict"], run["sentence"]) == ("rejected", "rejected", "accuracy 0.81 is under the gate 0.95")
    assert (run["reached"], run["stopped_at"]) == (["commit", "trained", "evaluated"], "deployed")


def test_one_run_shows_its_records_and_its_verdict(subject: Subject) -> None:
    told = subject.tell.deploy("first")

    run = subject.get(f"/api/runs/{told.run_id}")

    causes = {event["topic"]: event["caused_by"] for event in run["events"]}
    assert [event["verdict"] for event in run["events"]] == ["valid"] * 5
    assert causes == {
        "commit": "",
        "trained": told.ids["commit"],
        "evaluated": told.ids["trained"],
        "deployed": told.ids["evaluated"],
        "served": told.ids["deployed"],
    }
    assert subject.get("/api/runs/nobody", 404) == {"error": "no run 'nobody' is known"}


def test_a_model_shows_what_is_live_and_which_replicas_serve_it(subject: Subject) -> None:
    subject.tell.deploy("first")
    told = subject.tell.deploy("second")

    assert [run["reached"][-1] for run in subject.get("/api/runs")["runs"]] == ["served", "served"]
    (model,) = subject.get("/api/models")["models"]

    assert (model["model"], model["live_digest"], model["live_run_id"]) == (MODEL, digest_of("second"), told.run_id)
    assert (model["deploy_seq"], model["runs"], model["open_runs"]) == (2, 2, 0)
    assert [(replica["replica"], replica["deploy_seq"]) for replica in model["replicas"]] == [("replica-1", 2)]


def test_events_are_paged_from_the_newest_and_filtered(subject: Subject) -> None:
    first = subject.tell.deploy("first")
    subject.tell.push("second")

    seen, before = [], ""
    while True:
        page = subject.get(f"/api/events?limit=4{before}")
        seen += [event["number"] for event in page["events"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"

    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 6
    assert [event["topic"] for event in subject.get("/api/events?topic=commit")["events"]] == ["commit", "commit"]
    assert len(subject.get(f"/api/events?run={first.run_id}&model={MODEL}")["events"]) == 5
    assert subject.get("/api/events?model=nobody")["events"] == []


def test_a_run_has_a_page_with_its_gates_and_events(subject: Subject) -> None:
    told = subject.tell.push("one", "<b>bold</b>")
    subject.tell.train(told)
    gate = GateResult("accuracy", "min", 0.95, 0.93, None, passed=False, sentence="accuracy 0.93 is under 0.95")
    subject.tell.judge(told, "rejected", "accuracy 0.93 is under 0.95", (gate,))
    subject.tell.close(told, "accuracy 0.93 is under 0.95")

    page = subject.page(f"/runs/{told.run_id}")

    assert '<span class="tag rejected">rejected</span>' in page
    assert "<td>accuracy min</td>" in page
    assert page.count("partition ") == 4
    assert "<b>" not in page


def test_a_page_of_a_run_that_nobody_knows_says_so(subject: Subject) -> None:
    subject.tail.catch_up(10)

    answer = subject.client.get("/runs/nobody")

    assert (answer.status_code, "No run nobody is known." in answer.text) == (404, True)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/events?limit=0", "limit is '0', not a number of 1 to 500"),
        ("/api/events?limit=%C2%B2", "limit is '²', not a number of 1 to 500"),
        ("/api/events?before=x", "before is 'x', not a number of 1 or more"),
        ("/api/events?topic=other", "topic is 'other', none of commit"),
        ("/api/runs?stage=x", "stage is 'x', none of training"),
        ("/api/models?x=1", "'x' is no parameter here; there is none"),
        ("/api/runs?colour=1", "'colour' is no parameter here; there is model, stage, skip, limit"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_by_name(subject: Subject, path: str, sentence: str) -> None:
    assert subject.get(path, 400)["error"].startswith(sentence)


def test_an_unknown_path_and_another_method_are_refused(subject: Subject) -> None:
    assert subject.get("/api/nothing", 404) == {"error": "Not Found"}
    assert subject.client.ask("POST", "/api/runs").status_code == 405


def test_the_audit_counts_what_is_valid_and_what_is_not(subject: Subject) -> None:
    told = subject.tell.deploy("first")
    subject.tell.say(told, subject.tell.trained(told, "failed", "crashed", "again"))
    subject.log.inject("commit", 0, b"digits", b"{", ())

    audit = subject.get("/api/audit")

    assert audit["counts"]["trained"] == {"invalid": 1, "valid": 1}
    assert audit["counts"]["commit"] == {"undecodable": 1, "valid": 1}
    assert audit["broken_rules"] == {"trained: trained_slot": 1}
    assert (audit["ready"], audit["records"], audit["gaps"], audit["problems"]) == (True, 7, [], [])


def test_a_record_before_its_cause_is_kept_until_the_cause_is_there(subject: Subject) -> None:
    told = subject.tell.push("first")
    answer = subject.tell.trained(told)
    late = Telling(MemoryLog(), "other").push("late")
    kept = Telling(subject.log, "other").trained(late)

    subject.tell.say(told, answer)
    Telling(subject.log, "other").say(late, kept)
    assert subject.get("/api/audit")["counts"]["trained"] == {"kept": 1, "valid": 1}
    Telling(subject.log, "other").push("late")

    assert subject.get("/api/audit")["counts"]["trained"] == {"valid": 2}
    assert [event["verdict"] for event in subject.get("/api/events?topic=trained")["events"]] == ["valid", "valid"]


def test_an_offset_without_a_record_is_a_gap(subject: Subject) -> None:
    told = subject.tell.push("first")
    partition = subject.log.records("commit")[0].partition
    for _ in range(2):
        subject.log.skip_offset("commit", partition)
    subject.tell.push("second")

    audit = subject.get("/api/audit")

    assert audit["gaps"] == [{"topic": "commit", "partition": partition, "first": 1, "last": 2}]
    assert audit["problems"] == [f"commit/{partition}: offsets 1 to 2 gave no record: control records, or lost ones"]
    assert audit["problems"][0] in subject.page()
    assert told.generation == 1


def test_a_topic_made_anew_is_read_anew(subject: Subject) -> None:
    subject.tell.deploy("first")
    assert subject.get("/api/audit")["records"] == 5

    for topic in ("commit", "trained", "evaluated", "deployed", "served"):
        subject.log.recreate(topic)
    subject.tail.wait_until(lambda ledger: None if ledger.runs else True, 10)

    assert subject.get("/api/audit")["records"] == 0


def test_a_broker_that_is_away_makes_it_not_ready_and_the_history_stays(subject: Subject) -> None:
    subject.tell.deploy("first")
    assert subject.get("/readyz") == {"ready": True, "problems": {}}

    subject.log.set_unavailable(True)
    subject.tail.wait_until(lambda _: subject.tail.problem or None, 10)

    answer = subject.client.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (503, {"line": "broker: the broker is away"})
    assert len(subject.client.get("/api/runs").json()["runs"]) == 1
    assert "What stands here may be old: broker: the broker is away" in subject.client.get("/").text


def test_what_strangers_wrote_is_text_on_the_page(subject: Subject) -> None:
    subject.tell.push("evil", "<script>alert(1)</script>\nmore")
    subject.tell.push("odd", "a \u202e b")

    page = subject.page()

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<bdi>a \u202e b</bdi>" in page


def test_values_that_no_writer_would_write_are_shown_all_the_same(subject: Subject) -> None:
    told = subject.tell.push("first")
    subject.tell.train(told)
    subject.tell.judge(told)
    record = subject.log.records("evaluated")[0]
    assert record.value is not None
    value = json.loads(record.value) | {"metrics": [{"name": "\ud800", "value": 0.5}]}
    odd = json.dumps(value).replace("0.5", "1e999").encode()
    subject.log.inject("evaluated", record.partition, record.key, odd, record.headers)

    event = subject.get("/api/events?topic=evaluated&limit=1")["events"][0]

    assert (event["verdict"], "1e999" in event["value"]) == ("undecodable", True)


def test_the_page_needs_no_script_and_allows_none(subject: Subject) -> None:
    subject.tell.deploy("first")
    subject.tail.catch_up(10)

    answer = subject.client.get("/?refresh=1")

    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy
    assert '<meta http-equiv="refresh" content="5">' in answer.text
    assert "style=" not in answer.text
    assert subject.client.get("/style.css").headers["content-type"] == "text/css; charset=utf-8"


def test_a_page_with_parameters_that_make_no_sense_leads_to_the_whole_one(subject: Subject) -> None:
    answer = subject.client.get("/?skip=-1")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_long_lists_have_pages_that_keep_their_filter(subject: Subject) -> None:
    for number in range(55):
        subject.tell.push(f"commit {number}")

    first, second = subject.page("/?model=digits"), subject.page("/?model=digits&skip=50")

    assert 'href="/?model=digits&amp;skip=50"' in first
    assert "commit 54" in first
    assert "commit 4" in second
    assert 'href="/?model=digits"' in second


def test_metrics_count_records_and_open_runs(subject: Subject) -> None:
    subject.tell.deploy("first")
    subject.tell.push("second")
    subject.tail.catch_up(10)

    text = subject.client.get("/metrics").text

    assert 'pushline_records_total{topic="commit",verdict="valid"} 2.0' in text
    assert 'pushline_open_runs{stage="training"} 1.0' in text
    assert 'pushline_deploy_seq{model="digits"} 1.0' in text
    assert "pushline_audit_gaps 0.0" in text
