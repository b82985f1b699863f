"""Every process of a predictor has every door whole: REST, TLS, tokens that are replaced while it runs, models of either engine."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from pushline.client import Client, ModelNotFound, Tls, Unauthenticated
from pushline.predictor.service import Service
from tests.fixtures.engine.kinds import PYTHON, make
from tests.fixtures.predictor.certificates import Authority, replaced
from tests.fixtures.predictor.deploying import DOUBLE
from tests.fixtures.predictor.deploying_kinds import deploy
from tests.fixtures.predictor.running import a_line, reports, running, wait_for
from tests.waiting import until

PROCESSES, CONNECTIONS = 2, 16
START_SECONDS, LOAD_SECONDS = 60.0, 120.0  # on a busy machine
X = [[1.0, 2.0, 3.0, 4.0]]
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}).encode()
FIRST, SECOND = "first-token-of-the-tests", "second-token-of-the-tests"


def serve(service: Service) -> bool:
    return service.registry.get_sample_value("pushline_predictor_processes") == PROCESSES and service.models.ready


def by_process(service: Service) -> list[float]:
    names = [{"process": str(number)} for number in range(PROCESSES)]
    return [service.registry.get_sample_value("pushline_predictor_process_requests_total", name) or 0.0 for name in names]


@contextmanager
def clients(service: Service, token: str, ca_file: Path) -> Iterator[list[Client]]:
    address = f"127.0.0.1:{service.door.port}"
    with ExitStack() as stack:
        yield [stack.enter_context(Client(address, tls=Tls(ca_file), token=token)) for _ in range(CONNECTIONS)]


def refused(client: Client) -> bool:
    try:
        client.predict(X)
    except Unauthenticated:
        return True
    return False


def test_rest_is_answered_by_every_process(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store, workers=str(PROCESSES)) as service:
        until(lambda: serve(service), START_SECONDS, "all processes to serve")
        url = f"http://127.0.0.1:{service.rest.port}/v2/models/numbers/infer"
        for _ in range(CONNECTIONS):
            with urllib.request.urlopen(
                urllib.request.Request(url, BODY, {"Content-Type": "application/json"}), timeout=5
            ) as answer:
                assert json.load(answer)["outputs"][0]["data"] == [2, 4, 6]

        assert all(count > 0 for count in by_process(service))
        assert sum(by_process(service)) == CONNECTIONS


def test_every_process_knows_what_the_first_one_knows_and_one_of_them_reports(tmp_path: Path) -> None:
    line, log, store = a_line()
    line.deploy(DOUBLE)
    with running(tmp_path, log, store, workers=str(PROCESSES)) as service, ExitStack() as stack:
        until(lambda: serve(service), START_SECONDS, "all processes to serve")
        address = f"127.0.0.1:{service.door.port}"
        asking = [stack.enter_context(Client(address)) for _ in range(CONNECTIONS)]
        wait_for(lambda: not any(client.predict(X).stale for client in asking), "all to be sure")
        assert all(client.is_ready("numbers") for client in asking)
        assert all(count > 0 for count in by_process(service))

        log.set_unavailable(True)
        wait_for(lambda: all(client.predict(X).stale for client in asking), "none to be sure")
        log.set_unavailable(False)
        wait_for(lambda: not any(client.predict(X).stale for client in asking), "all to be sure again")

        line.deploy(DOUBLE, "other")
        wait_for(lambda: all(client.is_ready("other") for client in asking), "the other model at all")
        assert [client.predict(X, model="other").deploy_seq for client in asking] == [1] * CONNECTIONS
        with pytest.raises(ModelNotFound):
            asking[0].predict(X, model="none")
        wait_for(lambda: len(reports(log)) == 2, "a report of each deployment, by one process")


def test_every_process_speaks_tls_and_asks_for_the_token_that_counts_now(tmp_path: Path) -> None:
    authority = Authority()
    ca_file = authority.write(tmp_path)
    certificate, key = authority.sign("the predictor").write(tmp_path, "server")
    tokens = replaced(tmp_path / "tokens", f"{FIRST}\n".encode())
    line, log, store = a_line()
    line.deploy(DOUBLE)
    more = {"workers": str(PROCESSES), "tls_certificate": str(certificate), "tls_key": str(key), "tokens_file": str(tokens)}
    with running(tmp_path / "cache", log, store, **more) as service:
        until(lambda: serve(service), START_SECONDS, "all processes to serve")
        with clients(service, FIRST, ca_file) as first, clients(service, SECOND, ca_file) as second:
            assert {tuple(client.predict(X).y[0].tolist()) for client in first} == {(2.0, 4.0, 6.0)}
            assert all(refused(client) for client in second)
            assert all(count > 0 for count in by_process(service))

            replaced(tokens, f"{SECOND}\n".encode())
            wait_for(lambda: all(refused(client) for client in first), "the old token to count at none")
            wait_for(lambda: not any(refused(client) for client in second), "the new token to count at all")


@pytest.mark.timeout(300)
def test_each_process_has_a_tensorflow_of_its_own_and_answers_as_keras_does(tmp_path: Path) -> None:
    kind = make(tmp_path, ["hashing"])["hashing"]
    line, log, store = a_line()
    deploy(line, kind)
    with running(tmp_path / "cache", log, store, workers=str(PROCESSES), tensorflow_python=str(PYTHON)) as service:
        until(lambda: serve(service), LOAD_SECONDS, "all processes to serve")
        for _ in range(CONNECTIONS):
            with Client(f"127.0.0.1:{service.door.port}") as client:
                answer = client.predict(kind.rows(3), model=kind.name)
            for name, wanted in kind.answers[3].items():
                assert np.allclose(answer.outputs[name], wanted, 1e-5, 1e-5)

        assert all(count > 0 for count in by_process(service))
