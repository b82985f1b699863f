"""Whoever is killed or frozen while a forge is told: in the end the right status stands there, and one comment a commit."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest

from pushline.line.kafka import KafkaLog
from tests.faults import repositories
from tests.faults.evidence import report, seeded
from tests.faults.places import Place
from tests.faults.processes import Wish, fault_line
from tests.fixtures.forge.process import AuditorProcess
from tests.fixtures.forge.server import Call, FakeForge, Fault, serving
from tests.fixtures.forge.telling import forge_of, write_config, write_token
from tests.unit.auditor.telling import MODEL, Telling, Told
from tests.waiting import until

SEED = 6
CALLS = (("POST", "/statuses/"), ("GET", "comments"), ("POST", "comments"), ("PATCH", "comments"))
FATES = ("before", "lost", "late")  # the call is not done, is done without an answer, is done when the next auditor runs
BLOWS = {
    "github": tuple(product(CALLS, FATES)),
    "gitlab": tuple(product(CALLS[2:3], FATES)),
    "gitea": tuple(product(CALLS[2:3], FATES)),
}
SETTLED_SECONDS = 60.0


@dataclass
class Blow:
    """Kills the auditor in the middle of one call."""

    method: str
    part: str
    fate: str
    kill: Callable[[], None]
    struck: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, call: Call) -> Fault | None:
        with self._lock:
            path = call.path.replace("discussions", "comments")
            method = "PATCH" if call.method == "PUT" else call.method
            if self.struck.is_set() or method != self.method or self.part not in path:
                return None
            self.kill()
            self.struck.set()
        if self.fate == "before":
            return Fault(status=500)
        return Fault(lost=True, held=self.goes_on if self.fate == "late" else None)


@pytest.fixture
def log(broker: str, topic_prefix: str, kafka_options: dict[str, str]) -> Iterator[KafkaLog]:
    with closing(KafkaLog(broker, topic_prefix, kafka_options)) as line:
        yield line


@pytest.fixture
def environ(broker: str, topic_prefix: str, kafka_options: dict[str, str]) -> dict[str, str]:
    options = ";".join(f"{name}={value}" for name, value in kafka_options.items())
    return {"PUSHLINE_KAFKA": broker, "PUSHLINE_TOPIC_PREFIX": topic_prefix, "PUSHLINE_KAFKA_OPTIONS": options}


def pushed(tell: Telling, forge: FakeForge, word: str) -> Told:
    told = tell.push(word)
    forge.requests[told.commit.sha] = 12 + len(forge.requests)
    return told


def decided(tell: Telling, told: Told, between: Callable[[], object] = lambda: None) -> None:
    tell.train(told)
    tell.judge(told)
    between()
    tell.promote(told)


def settled(forge: FakeForge, commits: list[Told]) -> None:
    """Wait until each has its last status and one comment that says the same."""

    def wrong() -> list[str]:
        return [told.word for told in commits if not is_right(told)]

    def is_right(told: Told) -> bool:
        comments = forge.of(told.commit.sha)
        right = forge.newest(told.commit.sha)["state"] == "success" and len(comments) == 1
        return right and "eployed" in comments[0].body

    until(lambda: not wrong(), SETTLED_SECONDS, "the right status and one comment a commit")


def test_a_line_of_real_services_tells_the_forge_of_a_good_and_a_bad_model(place: Place, stub_python: Path, tmp_path: Path) -> None:
    with serving(forge_of("github")) as forge:
        write_token(tmp_path, "told", forge.token)
        named = f'kind = "github"\napi = "{forge.address}"\nproject = "{forge.project}"\ntoken_file = "{tmp_path}/told.token"'
        wish = Wish({"told": f"[models.forge]\n{named}\n"}, stub_python, environ={"PUSHLINE_PUBLIC_URL": "https://p.example"})
        with fault_line(tmp_path / "line", place, wish) as line:
            for files, state, words in (
                (repositories.good(2.0), "success", "Deployed as number 1"),
                (repositories.bad(3.0), "failure", "Rejected"),
            ):
                run_id = line.seen.push("told", files, words)
                sha = line.seen.ended(run_id, SETTLED_SECONDS).commit.sha
                forge.shows(sha, state, words, "pushline/told")
                comment = forge.comment_says(sha, words)
                assert "| Gate |" in comment.body  # the report's own table
                assert f"https://p.example/runs/{run_id}" in comment.body
    assert forge.wrong == []


@dataclass
class Campaign:
    """Deals blows, one commit each; what an auditor was killed in the middle of, the next one makes good."""

    forge: FakeForge
    tell: Telling
    auditor: AuditorProcess
    commits: list[Told] = field(default_factory=list)

    def begin(self, word: str) -> None:
        self.commits.append(pushed(self.tell, self.forge, word))
        self.forge.shows(self.commits[-1].commit.sha, "pending")

    def deal(self, method: str, part: str, fate: str) -> None:
        told, forge = self.commits[-1], self.forge
        sha = told.commit.sha
        if (method, fate) == ("POST", "late"):
            settled(forge, self.commits[:-1])  # the blow is for this commit's comment, and not for one that is owed yet
        blow = forge.fault = Blow(method, part, fate, self.auditor.kill)
        edited = (lambda: until(lambda: forge.of(sha))) if method == "PATCH" else lambda: None
        decided(self.tell, told, edited)  # of two events that come at once a comment tells the last one
        assert blow.struck.wait(30), f"no {method} {part}"
        self.auditor.start().listens()
        if (method, fate) == ("POST", "late"):
            forge.shows(sha, "success")
            until(lambda: forge.of(sha), what="its own comment, and now the other one comes")
        blow.goes_on.set()
        self.begin(f"after {method} {part} {fate}")


@pytest.mark.parametrize("kind", BLOWS)
def test_an_auditor_killed_in_the_middle_of_any_call_leaves_one_comment_a_commit(
    kind: str, log: KafkaLog, environ: dict[str, str], tmp_path: Path, say: Callable[[str], None]
) -> None:
    blows = list(BLOWS[kind])
    seeded(SEED).shuffle(blows)
    with serving(forge_of(kind)) as forge:
        config = write_config(tmp_path, {MODEL: (kind, forge)})
        auditor = AuditorProcess(tmp_path, {**environ, "PUSHLINE_CONFIG": str(config)}).start()
        campaign = Campaign(forge, Telling(log), auditor)
        try:
            auditor.listens()
            campaign.begin("the first one")
            for (method, part), fate in blows:
                campaign.deal(method, part, fate)
            decided(campaign.tell, campaign.commits[-1])
            settled(forge, campaign.commits)
            assert auditor.stop() == 0
        finally:
            auditor.kill()
    figures = {"commits": len(campaign.commits), "comments": len(forge.comments), "removed": len(forge.made("DELETE"))}
    say(report(f"forge-kills-{kind}", len(blows), len(campaign.commits) - len(forge.comments), SEED, **figures))
    assert (forge.wrong, len(forge.comments)) == ([], len(campaign.commits))
    assert figures["removed"] == 1  # the comment whose call outlived its auditor


def test_two_auditors_of_which_the_writing_one_is_frozen_leave_one_comment_a_commit(
    log: KafkaLog, environ: dict[str, str], tmp_path: Path
) -> None:
    """The frozen one loses its partition, the other one goes on; what the first one had begun is done when it wakes."""
    tell = Telling(log)
    with serving(forge_of("github")) as forge, ExitStack() as stack:
        environ |= {"PUSHLINE_CONFIG": str(write_config(tmp_path, {MODEL: ("github", forge)}))}
        first, second = (AuditorProcess(tmp_path, environ, f"auditor-{number}") for number in range(2))
        first.start().listens()
        stack.callback(first.kill)
        one = pushed(tell, forge, "one")
        forge.shows(one.commit.sha, "pending")
        blow = forge.fault = Blow("GET", "comments", "before", lambda: first.signal(signal.SIGSTOP))
        decided(tell, one)
        assert blow.struck.wait(30)
        second.start().listens()
        stack.callback(second.kill)
        two = pushed(tell, forge, "two")
        until(lambda: forge.newest(two.commit.sha)["state"] == "pending", SETTLED_SECONDS, "the other auditor's word")
        decided(tell, two)
        settled(forge, [one, two])
        first.signal(signal.SIGCONT)
        three = pushed(tell, forge, "three")
        decided(tell, three)
        settled(forge, [one, two, three])
        assert (first.stop(), second.stop()) == (0, 0)
    assert (forge.wrong, len(forge.comments)) == ([], 3)
