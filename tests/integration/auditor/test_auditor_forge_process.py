"""The auditor as a process, on a real broker and store, telling a fake forge: how long after each event."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import pytest

from pushline.line.kafka import KafkaLog
from pushline.objects.minio_store import MinioStore
from tests.fixtures.forge.process import AuditorProcess
from tests.fixtures.forge.reported import SENTENCE, WORDS, store_report
from tests.fixtures.forge.server import FakeForge, serving
from tests.fixtures.forge.telling import KINDS, PUBLIC, forge_of, write_config
from tests.servers import StoreAddress
from tests.unit.auditor.telling import MODEL, Telling, Told
from tests.waiting import until

BOUND_SECONDS = 2.0
COMMITS = 10


@pytest.fixture
def environ(broker: str, topic_prefix: str, kafka_options: dict[str, str], store_settings: StoreAddress) -> dict[str, str]:
    return {
        "PUSHLINE_KAFKA": broker,
        "PUSHLINE_TOPIC_PREFIX": topic_prefix,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in kafka_options.items()),
        "PUSHLINE_S3_ENDPOINT": store_settings.endpoint,
        "PUSHLINE_S3_BUCKET": store_settings.bucket,
        "PUSHLINE_S3_ACCESS_KEY": store_settings.access_key,
        "PUSHLINE_S3_SECRET_KEY": store_settings.secret_key,
        "PUSHLINE_S3_REGION": store_settings.region,
        "PUSHLINE_PUBLIC_URL": f"{PUBLIC}/",
    }


@pytest.fixture
def log(broker: str, topic_prefix: str, kafka_options: dict[str, str]) -> Iterator[KafkaLog]:
    with closing(KafkaLog(broker, topic_prefix, kafka_options)) as line:
        yield line


@pytest.mark.parametrize("kind", KINDS)
def test_status_and_comment_arrive_within_two_seconds_of_each_event(
    kind: str,
    log: KafkaLog,
    environ: dict[str, str],
    tmp_path: Path,
    store_settings: StoreAddress,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store, tell = MinioStore(*store_settings), Telling(log)
    with serving(forge_of(kind)) as forge:
        config = write_config(tmp_path, {MODEL: (kind, forge)})
        auditor = AuditorProcess(tmp_path, {**environ, "PUSHLINE_CONFIG": str(config)}).start()
        try:
            auditor.listens()
            forge.shows(tell.push("the first look").commit.sha, "pending")
            waits = [wait for number in range(COMMITS) for wait in followed(tell, forge, store, f"commit {number}")]
            assert all("Accepted: digits at" in comment.body for comment in forge.comments)  # the report's own words
            until(lambda: "pushline_forge_waiting 0.0" in metrics_of(auditor), what="nothing that waits")
            metrics = metrics_of(auditor)
            assert auditor.stop() == 0
        finally:
            auditor.kill()

        assert forge.wrong == []
        assert all(len(forge.of(comment.sha)) == 1 for comment in forge.comments)
    with capsys.disabled():
        figures = f"p50_ms={1000 * median(waits):.0f} max_ms={1000 * max(waits):.0f} bound_ms={1000 * BOUND_SECONDS:.0f}"
        sys.stdout.write(f"\nforge={kind} events={4 * COMMITS} arrivals={len(waits)} {figures}\n")
    assert max(waits) < BOUND_SECONDS
    assert f'pushline_forge_calls_total{{forge="{kind}",outcome="written",what="comment"}}' in metrics
    assert forge.token not in auditor.log.read_text()


def metrics_of(auditor: AuditorProcess) -> str:
    with urlopen(f"{auditor.listens()}/metrics", timeout=5) as answer:  # noqa: S310 - our own address
        text: str = answer.read().decode()
        return text


Act = Callable[[], object]
Shown = Callable[[], bool]


def followed(tell: Telling, forge: FakeForge, store: MinioStore, word: str) -> list[float]:
    """Tell the line of a commit, event by event; give the seconds from each append to each thing that it changes at the forge."""
    told = tell.push(word)
    began = time.monotonic()
    forge.requests[told.commit.sha] = 12 + len(forge.requests)
    waits = arrivals(began, lambda: forge.newest(told.commit.sha)["state"] == "pending")
    for act, shown in steps(tell, forge, store, told):
        act()
        waits += arrivals(time.monotonic(), *shown)
    return waits


def arrivals(began: float, *shown: Shown) -> list[float]:
    waits = []
    for holds in shown:
        until(holds, what="what the event changes")
        waits.append(time.monotonic() - began)
    return waits


def steps(tell: Telling, forge: FakeForge, store: MinioStore, told: Told) -> list[tuple[Act, tuple[Shown, ...]]]:
    """Each event with what it changes: GitLab takes no other description of a commit that is open."""
    sha = told.commit.sha

    def says(words: str) -> Shown:
        return lambda: words in forge.newest(sha)["description"]

    def comment(words: str) -> Shown:
        return lambda: any(words in each.body for each in forge.of(sha))

    def judge() -> None:
        tell.judge(told, sentence=SENTENCE, report=store_report(store, MODEL, told))

    gitlab = "gitlab" in forge.newest(sha)
    return [
        (lambda: tell.train(told), (says("being evaluated"),)),
        (judge, (comment(WORDS),) if gitlab else (says("Accepted, being decided"), comment(WORDS))),
        (lambda: tell.promote(told), (says("Deployed as number"), comment("Deployed as number"))),
    ]
