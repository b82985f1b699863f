"""`pushline report`, `compare` and `verdict replay` at a line with real Kafka and S3 protocols and real verdicts."""

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from pushline.cli.exits import Exit
from pushline.cli.main import run
from pushline.cli.terminal import Terminal
from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.evaluator.adapters.predictor_process import DEFAULT, PredictorProcess, TrialLimits
from pushline.evaluator.assessed import Rules
from pushline.evaluator.assessment import Assessor
from pushline.evaluator.on_trained import OnTrained
from pushline.line.codec import Entry, encode
from pushline.line.events import Event, ModelEvaluated
from pushline.line.kafka import KafkaLog
from pushline.objects.minio_store import MinioStore
from pushline.reports import read
from tests.fixtures.evaluator.story import Story, gate, put_run
from tests.servers import BrokerAddress, StoreAddress, topics_of_its_own

pytestmark = pytest.mark.timeout(240)
ASKED = gate("accuracy", 0.9, None, 0.02)


class Telling(Story):
    """A story that is told on a real line too."""

    def __init__(self, log: KafkaLog) -> None:
        super().__init__()
        self.log = log

    def say(self, event: Event) -> Entry[Event]:
        self.log.append(encode(event, "test"))
        return super().say(event)


@dataclass(frozen=True)
class Line:
    """Push 1 is live, push 2 was better and is live now, push 3 was worse and is closed, push 4 was never trained."""

    environ: dict[str, str]
    events: tuple[ModelEvaluated, ...]
    folder: Path
    store: MinioStore

    def told(self, *words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        terminal = Terminal(Console(file=out, width=200), Console(file=err, width=200), self.environ)
        return run(list(words), terminal), out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def line(broker_address: BrokerAddress, store_settings: StoreAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with topics_of_its_own(broker_address, "report") as prefix:
        log = KafkaLog(broker_address.bootstrap, prefix, broker_address.options)
        yield told_line(log, prefix, broker_address, store_settings, tmp_path_factory.mktemp("reports"))
        log.close()


def told_line(log: KafkaLog, prefix: str, address: BrokerAddress, store_settings: StoreAddress, folder: Path) -> Line:
    store = MinioStore(*store_settings)
    bubblewrap = working_bubblewrap()
    predictors = PredictorProcess(TrialLimits(), bubblewrap, DEFAULT)
    assessor = Assessor(LimitedChild(Limits(), bubblewrap), Rules(), predictors)
    judge = OnTrained(store, assessor, threading.Semaphore(1))
    story, events = Telling(log), []
    for generation, model in enumerate(("digits_worse", "digits", "digits_worse"), start=1):
        trained = put_run(store, model, generation, gates=[ASKED] if generation > 1 else [])
        story.trained(generation, about=trained.event)
        (work,) = story.open()
        event = judge(work, threading.Event())
        assert event is not None
        story.say(event)
        story.deployed(work.trained, "promote" if event.verdict == "accepted" else "close")
        events.append(event)
    story.push(4)
    environ = {
        "PUSHLINE_KAFKA": address.bootstrap,
        "PUSHLINE_TOPIC_PREFIX": prefix,
        "PUSHLINE_KAFKA_OPTIONS": ";".join(f"{name}={value}" for name, value in address.options.items()),
        "PUSHLINE_S3_ENDPOINT": store_settings.endpoint,
        "PUSHLINE_S3_BUCKET": store_settings.bucket,
        "PUSHLINE_S3_ACCESS_KEY": store_settings.access_key,
        "PUSHLINE_S3_SECRET_KEY": store_settings.secret_key,
    }
    return Line(environ, tuple(events), folder, store)


def test_a_report_says_the_decision_first(line: Line) -> None:
    code, said, _ = line.told("report", line.events[2].run_id)

    assert code == Exit.OK
    assert said.startswith("Rejected  digits ")
    assert "Accuracy 0.788889 is under the gate's minimum 0.9" in said
    assert said.index("Rejected") < said.index("Gates") < said.index("Metrics")


def test_live_is_what_is_live(line: Line) -> None:
    code, said, _ = line.told("report", "live")

    assert code == Exit.OK
    assert line.events[1].run_id in said
    assert "Changed since the live model" in said


def test_json_is_the_report_itself(line: Line) -> None:
    code, said, _ = line.told("report", "live", "--json")

    assert code == Exit.OK
    assert said.encode() == line.store.read_bytes(line.events[1].report_key)
    assert read(said.encode()).verdict == "accepted"


def test_the_page_is_the_evaluators_with_its_pictures_and_is_not_overwritten(line: Line) -> None:
    file = line.folder / "report.html"

    code, said, _ = line.told("report", "live", "--html", str(file))
    again, _, refused = line.told("report", "live", "--html", str(file))

    assert (code, said.replace("\n", "")) == (Exit.OK, f"Wrote {file}.")
    assert file.read_bytes() == line.store.read_bytes(line.events[1].report_key.replace("report.json", "report.html"))
    assert b"data:image/png" in file.read_bytes()
    assert again == Exit.BAD_FILE
    assert "is there already" in refused


def test_other_forms_go_to_the_output(line: Line) -> None:
    _, markdown, _ = line.told("report", "live", "--markdown")
    _, card, _ = line.told("report", "live", "--card")
    _, bill, _ = line.told("report", "live", "--bom")

    assert markdown.startswith("### \N{WHITE HEAVY CHECK MARK} Accepted: digits")
    assert yaml.safe_load(card.split("---\n")[1])["model-index"][0]["name"] == "digits"
    assert json.loads(bill)["bomFormat"] == "CycloneDX"


REFUSALS = [
    pytest.param(["report", "live", "--markdown", "--card"], Exit.USAGE, "Give one of --html", id="two forms"),
    pytest.param(["report", "abcdefab"], Exit.NOT_FOUND, "No run or commit starts with 'abcdefab'", id="no such run"),
    pytest.param(["report", f"{4:040x}"], Exit.NOT_FOUND, "has no verdict; it is training", id="no verdict yet"),
    pytest.param(["report", "live", "--model", "letters"], Exit.NOT_FOUND, "No model 'letters' on this line", id="no such model"),
    pytest.param(["compare", "live", "abcdefab"], Exit.NOT_FOUND, "No run or commit starts with", id="nothing to compare with"),
    pytest.param(["verdict", "replay", f"{4:040x}"], Exit.NOT_FOUND, "has no verdict", id="nothing to replay"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), REFUSALS)
def test_what_cannot_be_shown_is_one_sentence(line: Line, words: list[str], code: Exit, sentence: str) -> None:
    ended, _, said = line.told(*words)

    assert ended == code
    assert said.startswith("pushline: ")
    assert sentence in said


def test_two_runs_stand_side_by_side(line: Line) -> None:
    file = line.folder / "compare.html"

    code, said, _ = line.told("compare", "live", line.events[2].run_id)
    _, plain, _ = line.told("compare", "live", line.events[2].run_id, "--json", "--html", str(file))

    assert code == Exit.OK
    assert "accepted" in said
    assert "rejected" in said
    told = json.loads(plain)
    assert told["same_set"] is True
    change = next(pair for pair in told["metrics"] if pair["name"] == "accuracy")
    assert (round(change["change"], 4), change["better"]) == (-0.1833, False)
    assert "two runs side by side" in file.read_text(encoding="utf-8")


def test_a_verdict_is_repeated_byte_for_byte(line: Line) -> None:
    code, said, _ = line.told("verdict", "replay", "live", "--json")
    told = json.loads(said)
    worse, text, _ = line.told("verdict", "replay", line.events[2].run_id)

    assert (code, told["same"], told["differences"]) == (Exit.OK, True, [])
    assert told["report_key"] == line.events[1].report_key
    assert worse == Exit.OK
    assert text.startswith("The same: ")


def test_what_is_judged_by_other_rules_is_said_field_by_field(line: Line) -> None:
    changed = Line({**line.environ, "PUSHLINE_TOLERANCE": "0.5"}, line.events, line.folder, line.store)

    code, said, _ = changed.told("verdict", "replay", "live", "--json")

    told = json.loads(said)
    assert code == Exit.FAILED
    assert told["differences"] == [{"field": "agreement.tolerance", "stored": "1e-05", "again": "0.5"}]


def test_replaying_writes_nothing_to_line_and_store(line: Line) -> None:
    before = list(line.store.list("runs/"))

    line.told("verdict", "replay", "live")

    assert list(line.store.list("runs/")) == before


def test_a_report_that_is_not_the_verdicts_is_refused(line: Line) -> None:
    key = line.events[0].report_key
    honest = line.store.read_bytes(key)
    line.store.put_bytes(key, honest.replace(b'"accepted"', b'"rejected"'))
    try:
        code, _, said = line.told("report", line.events[0].run_id)
        replayed, _, why = line.told("verdict", "replay", line.events[0].run_id)
    finally:
        line.store.put_bytes(key, honest)

    assert (code, replayed) == (Exit.REFUSED, Exit.FAILED)
    assert "is not the report that the verdict was made of" in said
    assert "is not the report that the verdict was made of" in why
