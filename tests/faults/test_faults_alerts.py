"""A real Prometheus looks at a running line: every panel shows numbers, and alerts fire when their fault is caused, not before.

Every alert is tried with made-up series too (deploy/prometheus/tests). The tests stand in the order in which the line goes wrong.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from pushline.client import Client, PredictionFailed
from pushline.line.codec import encode
from pushline.line.events import ModelDeployed
from pushline.line.ids import run_id
from pushline.line.records import Message
from tests.contracts.panels import expressions
from tests.faults import repositories
from tests.faults.asking import under_load
from tests.faults.evidence import report
from tests.faults.places import Place
from tests.faults.processes import Wish, fault_line
from tests.faults.repositories import X
from tests.faults.watching import Watched, watching
from tests.fixtures.predictor.deploying import SOURCE, Line
from tests.waiting import until

MODEL, REGRESSION, SECONDS, SEED = "watched", "watched-numbers", 60.0, 0
NAMES, FEW = 300, 10  # that callers make up; series that may begin beside them
MOST_BAD = 10  # records in a row; the least that may be set
UNHEARD_OF = "unheard-of"
WRONG = b"a secret that is not the model's"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, place: Place, stub_python: Path, monitoring: Path) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    with (
        fault_line(
            folder / "line",
            place,
            Wish({MODEL: "", REGRESSION: ""}, stub_python, environ={"PUSHLINE_MOST_BAD_RECORDS": str(MOST_BAD)}),
        ) as line,
        watching(folder, line, monitoring) as made,
    ):
        yield made


def test_a_predictor_that_has_nothing_to_serve_is_told_of_until_it_has(watched: Watched) -> None:
    watched.fired("PushlineNotReady", job="pushline-predictor")

    numbers = watched.line.seen.push(REGRESSION, repositories.regression(4.0))
    for factor in (2.0, 3.0):
        run = watched.line.push(MODEL, factor)
        watched.line.deployed(run)
        watched.line.answers(MODEL, run)
    watched.line.deployed(numbers)
    with under_load([watched.line.services["predictor"]], MODEL, 1, 0.05) as load:
        until(lambda: not watched.prometheus.firing(), SECONDS, "that nothing fires")

    assert load.failures == []


def test_names_that_callers_make_up_make_no_series(watched: Watched, say: Callable[[str], None]) -> None:
    series = 'count({__name__=~"pushline_.+", job=~"pushline-predictor|pushline-trainer"})'
    made_up(watched, 0)
    until(lambda: made_up_so_far(watched) >= 1, SECONDS, "the first ones in Prometheus")
    before = watched.value(series)
    for number in range(1, NAMES):
        made_up(watched, number)
    until(lambda: made_up_so_far(watched) >= NAMES, SECONDS, "all of them in Prometheus")

    more = watched.value(series) - before
    assert more < FEW  # what the line does meanwhile may begin one or two
    say(report("metric-series", NAMES, 0, SEED, series=int(before), more=int(more)))


def test_webhooks_with_a_wrong_signature_are_told_of(watched: Watched) -> None:
    assert not watched.fires("PushlineWebhooksRefused")

    for _ in range(5):
        assert watched.line.seen.post(b"{}", WRONG)[0] == 401

    watched.fired("PushlineWebhooksRefused", form="github", status="401")


def test_a_record_that_is_no_event_is_told_of_and_alertmanager_delivers_it(watched: Watched) -> None:
    assert not watched.fires("PushlineDeadLetters")

    watched.line.seen.log.append(Message("trained", MODEL.encode(), b"no event", ()))

    watched.fired("PushlineDeadLetters", topic="trained")
    told = until(lambda: [each for each in watched.receiver.told if each["labels"]["alertname"] == "PushlineDeadLetters"], SECONDS)
    assert told[0]["annotations"]["runbook"] == "docs/RUNBOOK.md#pushlinedeadletters"
    assert told[0]["annotations"]["summary"] == "1 new records of trained are no events"


def test_a_verdict_that_refuses_is_told_of(watched: Watched) -> None:
    assert not watched.fires("PushlineVerdictsFailing")

    run = watched.line.seen.ended(watched.line.seen.push(MODEL, repositories.bad(4.0)))

    assert run.outcome == "rejected"
    watched.fired("PushlineVerdictsFailing", model=MODEL)


def test_a_deployment_that_cannot_be_loaded_is_told_of_three_ways(watched: Watched) -> None:
    names = ("PushlineReloadFailing", "PushlineReplicaStale", "PushlineReplicaBehind")
    assert not any(watched.fires(name) for name in names)

    event = nothing_there(watched, MODEL)
    watched.line.seen.log.append(encode(event, SOURCE))  # once more: an invalid record

    for name in names:
        watched.fired(name, model=MODEL)


def test_predictions_that_fail_use_up_the_budget_of_their_model_alone(watched: Watched) -> None:
    assert not watched.fires("PushlineErrorBudgetBurnsFast")

    nothing_there(watched, UNHEARD_OF)
    until(lambda: asked_over_rest(watched, UNHEARD_OF) == 503, SECONDS, "a model that is known, and not loaded")

    until(lambda: asked_over_rest(watched, UNHEARD_OF) and watched.fires("PushlineErrorBudgetBurnsFast", model=UNHEARD_OF), SECONDS)
    assert not watched.fires("PushlineErrorBudgetBurnsFast", model=MODEL)


def test_too_many_bad_records_in_a_row_are_told_of(watched: Watched) -> None:
    assert not watched.fires("PushlineStageStopped")

    for _ in range(MOST_BAD + 1):
        watched.line.seen.log.append(Message("evaluated", MODEL.encode(), b"no event", ()))

    watched.fired("PushlineStageStopped", topic="evaluated")


def test_a_stage_that_is_gone_is_told_of_by_the_work_that_it_leaves(watched: Watched) -> None:
    assert not watched.fires("PushlineTargetDown")
    assert not watched.fires("PushlineLineStuck")

    watched.line.kill(["evaluator"])
    watched.line.push(MODEL, 5.0)

    watched.fired("PushlineTargetDown", job="pushline-evaluator")
    watched.fired("PushlineLineStuck", stage="evaluating")


def test_every_panel_of_every_dashboard_has_shown_numbers(watched: Watched, say: Callable[[str], None]) -> None:
    without = {where: expr for where, expr in expressions().items() if not watched.has_numbers(expr)}

    say(report("dashboards", len(expressions()), len(without), SEED, seconds=f"{time.time() - watched.began:.0f}"))
    assert without == {}


def made_up(watched: Watched, number: int) -> None:
    """Ask both doors for a model that nobody has, and for NaN; tell the trainer of a branch that nobody asked about."""
    line, name = watched.line, f"made-up-{number}"
    with Client(line.seen.grpc) as client, pytest.raises(PredictionFailed):
        client.predict(X, model=name)
    assert asked_over_rest(watched, name) == 404
    if number == 0:
        with Client(line.seen.grpc) as client, pytest.raises(PredictionFailed):
            client.predict([[math.nan] * 4], model=MODEL)
    assert line.seen.hint(MODEL, "0" * 40, f"refs/heads/{name}")[0] == 200


def asked_over_rest(watched: Watched, model: str) -> int:
    """Ask for a prediction; give the status."""
    body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]})
    calling = HTTPConnection("127.0.0.1", watched.line.services["predictor"].child.ports["rest"], timeout=10)
    try:
        calling.request("POST", f"/v2/models/{model}/infer", body)
        return calling.getresponse().status
    finally:
        calling.close()


def made_up_so_far(watched: Watched) -> float:
    """Give how many of them Prometheus has seen at each of the three doors."""
    return watched.value(
        """min(sum(pushline_predictor_requests_total{code="NOT_FOUND"})
        or label_replace(sum(pushline_predictor_requests_total{code="404"}), "door", "rest", "", "")
        or label_replace(sum(pushline_webhooks_total{reason="other_branch"}), "door", "webhook", "", ""))"""
    )


def nothing_there(watched: Watched, model: str) -> ModelDeployed:
    """Put what lies nowhere live, as a person might."""
    with watched.line.seen.tail.read() as ledger:
        known, live = (ledger.line(name).newest_deployed for name in (model, MODEL))
    assert live is not None
    serving = live.event.serving[0]
    run = run_id(model, serving.generation, 1, serving.commit.sha)
    serving = replace(serving, run_id=run, attempt=1, digest="0" * 64, manifest_sha256="1" * 64)
    deployer = Line(watched.line.seen.log, watched.line.seen.store, {} if known is None else {model: known.event})
    event = replace(deployer.promote(model, serving), kind="redeploy", outcome="", caused_by="", actor="a person")
    return deployer.append(event)
