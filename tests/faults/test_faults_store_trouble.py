"""The store down, full, or refusing a service's key, at each stage of a run: it waits, says for what, and goes on by itself."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pushline.cli.line_file import StoreAccess
from pushline.servers.real import REGION
from tests.faults import repositories
from tests.faults.evidence import all_records, events_of
from tests.faults.places import Place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.troubled_store import SERVICES, TroubledStore, troubled_store
from tests.servers import topics_of_its_own
from tests.waiting import until

if TYPE_CHECKING:
    from pushline.servers.real_parts import Parts
    from tests.servers import BrokerAddress

SAID_SECONDS, MENDED_SECONDS = 30.0, 90.0
SAYS = {
    "down": "onnection refused",
    "disabled": "InvalidAccessKeyId: the store does not know PUSHLINE_S3_ACCESS_KEY",
    "other secret": "SignatureDoesNotMatch: PUSHLINE_S3_SECRET_KEY is not the one of PUSHLINE_S3_ACCESS_KEY",
    "no right": "AccessDenied: the store does not let PUSHLINE_S3_ACCESS_KEY",
    "full": "XMinioStorageFull: store_full: no room is left",
}
BEFORE = {"evaluator": "trained", "deployer": "evaluated", "predictor": "deployed"}
CASES = [*product(SERVICES, ("down", "other secret", "no right")), ("deployer", "disabled")]
FULL = ("trainer", "evaluator")


def model_of(stage: str, kind: str) -> str:
    return f"{stage}-{kind.replace(' ', '-')}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, real_parts: "Parts") -> Iterator[TroubledStore]:
    with troubled_store(tmp_path_factory.mktemp("store"), real_parts.minio) as running:
        yield running


@pytest.fixture(scope="module")
def line(
    tmp_path_factory: pytest.TempPathFactory, stub_python: Path, broker_address: "BrokerAddress", store: TroubledStore
) -> Iterator[FaultLine]:
    models = [model_of(*case) for case in (*CASES, *product(FULL, ["full"]))]
    real, of = store.store, {service: store.environ(service) for service in SERVICES}
    of["predictor"]["PUSHLINE_MODELS"] = ",".join(models)
    access = StoreAccess(real.endpoint, real.bucket, real.access_key, real.secret_key, REGION)
    with topics_of_its_own(broker_address, "trouble") as prefix:
        place = Place(broker_address.bootstrap, access, prefix, kafka_options=broker_address.options)
        wish = Wish(dict.fromkeys(models, ""), stub_python, environ_of=of)
        with fault_line(tmp_path_factory.mktemp("line"), place, wish) as running:
            yield running


def says(line: FaultLine, stage: str, words: str) -> str:
    """Wait until this service is not ready, with these words; give all that it says."""
    service, said = line.services[stage], ""

    def told() -> bool:
        nonlocal said
        said = service.problem()
        return words in said

    try:
        until(told, SAID_SECONDS)
    except AssertionError:
        pytest.fail(f"{stage} says {said!r} after {SAID_SECONDS} s, and not a word of {words!r}")
    assert "the-right-secret" not in said
    return said


def goes_on(line: FaultLine, model: str, run: str) -> None:
    """The run ends well, each step of it once; so does the next commit's."""
    line.deployed(run, MENDED_SECONDS)
    line.answers(model, run, MENDED_SECONDS)
    counted = events_of(all_records(line.seen.log), run)
    assert [counted[name] for name in ("CommitPushed", "ModelTrained", "ModelEvaluated", "promote")] == [1, 1, 1, 1]
    line.all_ready(MENDED_SECONDS)
    following = line.push(model, line.factors[run] + 1)
    line.deployed(following, MENDED_SECONDS)
    line.answers(model, following, MENDED_SECONDS)


@pytest.mark.parametrize(("stage", "kind"), CASES)
def test_a_store_that_fails_a_stage_is_named_and_waited_for(line: FaultLine, store: TroubledStore, stage: str, kind: str) -> None:
    model, pids = model_of(stage, kind), {name: service.pid for name, service in line.services.items()}
    with ExitStack() as trouble:
        if stage == "trainer":
            run = line.push(model, 2.0, gated=True)
            line.waits_for_the_gate(run)
            trouble.enter_context(store.trouble(kind, stage))
            repositories.open_gates(line.services["trainer"].work)
        else:
            trouble.enter_context(store.trouble(kind, stage))
            run = line.push(model, 2.0)
            line.reached(run, BEFORE[stage])
        says(line, stage, SAYS[kind])

    goes_on(line, model, run)
    assert {name: service.pid for name, service in line.services.items() if not service.child.ended} == pids


@pytest.mark.parametrize("stage", FULL)
def test_a_full_store_is_named_and_once_there_is_room_the_run_goes_on(line: FaultLine, store: TroubledStore, stage: str) -> None:
    model = model_of(stage, "full")
    with ExitStack() as full:
        if stage == "trainer":
            run = line.push(model, 2.0, gated=True)
            line.waits_for_the_gate(run)
            full.enter_context(store.full())
            repositories.open_gates(line.services["trainer"].work)
        else:
            with store.trouble("down", stage):
                run = line.push(model, 2.0)
                line.reached(run, BEFORE[stage])
                full.enter_context(store.full())
        says(line, stage, SAYS["full"])

    goes_on(line, model, run)


WRONG = {
    "PUSHLINE_S3_SECRET_KEY": SAYS["other secret"],
    "PUSHLINE_S3_ACCESS_KEY": SAYS["disabled"],
    "PUSHLINE_S3_BUCKET": "NoSuchBucket: PUSHLINE_S3_BUCKET names a bucket that is not there",
    "PUSHLINE_S3_REGION": "AuthorizationHeaderMalformed: PUSHLINE_S3_REGION is not the store's region",
}


@pytest.mark.parametrize("setting", WRONG)
def test_a_service_with_a_wrong_setting_of_the_store_is_not_ready_before_there_is_work(line: FaultLine, setting: str) -> None:
    command = [sys.executable, "-m", "tests.faults.twin", "evaluator"]
    twin = line.another(f"wrong-{setting}", "evaluator", command, **{setting: "wrong-and-long-enough"})

    said = says(line, f"wrong-{setting}", WRONG[setting])

    assert not twin.child.ended
    assert setting == "PUSHLINE_S3_BUCKET" or "wrong-and-long-enough" not in said
    assert "wrong-and-long-enough" not in twin.log.read_text() or setting == "PUSHLINE_S3_BUCKET"
    twin.kill()
    del line.services[f"wrong-{setting}"]


def test_a_clock_that_the_store_does_not_believe_is_named_and_once_it_is_right_the_service_is_ready(line: FaultLine) -> None:
    early = line.another("early", "evaluator", [sys.executable, "-m", "tests.faults.late_clock", "evaluator"])

    says(line, "early", "RequestTimeTooSkewed: the clock of this machine and the store's are too far apart")
    (early.work / "clock").touch()

    early.ready(SAID_SECONDS)
    early.kill()
    del line.services["early"]
