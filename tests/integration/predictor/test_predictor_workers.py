"""A predictor of several processes behind one port: all answer, all swap together, one is missed by nobody, all end together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pushline.client import Answer, Client
from pushline.line.kafka import KafkaLog
from pushline.objects.minio_store import MinioStore
from tests.faults.procfs import runs
from tests.fixtures.predictor.deploying import DOUBLE, TRIPLE, Line
from tests.fixtures.predictor.load import load_at
from tests.fixtures.predictor.process import Running, a_predictor, counted, workers_of
from tests.fixtures.predictor.running import wait_for
from tests.servers import StoreAddress
from tests.waiting import until

PROCESSES = 3
SWAPS = 20
START_SECONDS = 60.0  # on a busy machine
CONNECTIONS = 24  # of which all processes get some, but once in thousands of times
X = [[1.0, 2.0, 3.0, 4.0]]
REQUESTS, BY_PROCESS = "pushline_predictor_requests_total", "pushline_predictor_process_requests_total"
SPREAD = "pushline_predictor_swap_spread_seconds"


@pytest.fixture
def line(broker: str, topic_prefix: str, kafka_options: dict[str, str], store_settings: StoreAddress) -> Iterator[Line]:
    log = KafkaLog(broker, topic_prefix, kafka_options)
    yield Line(log, MinioStore(*store_settings))
    log.close()


@pytest.fixture
def predictor(environ: dict[str, str], line: Line) -> Iterator[Running]:
    line.deploy(DOUBLE)
    with a_predictor(environ, "--workers", str(PROCESSES)) as running:
        until(lambda: serve(running, PROCESSES), START_SECONDS, "all processes to serve")
        yield running


def metrics(predictor: Running) -> str:
    return predictor.get("/metrics")[1]


def serve(predictor: Running, processes: int) -> bool:
    return predictor.get("/readyz")[0] == 200 and counted(metrics(predictor), "pushline_predictor_processes")[""] == processes


def by_process(predictor: Running) -> dict[str, float]:
    return counted(metrics(predictor), BY_PROCESS)


def test_every_process_answers_and_the_metrics_are_the_sum_of_all(predictor: Running) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(predictor.address)) for _ in range(CONNECTIONS)]
        answers = [client.predict(X) for client in clients for _ in range(3)]

    assert {tuple(answer.y[0].tolist()) for answer in answers} == {(2.0, 4.0, 6.0)}
    wait_for(lambda: all(count > 0 for count in by_process(predictor).values()), "calls at each process")
    text = metrics(predictor)
    requests = counted(text, REQUESTS)
    assert requests['code="OK",method="ModelInfer"'] == len(answers)
    assert sum(requests.values()) == sum(counted(text, BY_PROCESS).values())
    assert len(counted(text, BY_PROCESS)) == PROCESSES
    seconds = counted(text, "pushline_predictor_request_seconds_count")
    assert seconds['method="ModelInfer"'] == len(answers)
    assert len(counted(text, "pushline_predictor_model_info")) == 1


def test_all_swap_together_under_load_and_no_connection_goes_back(predictor: Running, line: Line) -> None:
    with load_at(predictor.address, CONNECTIONS) as load, Client(predictor.address) as client:
        for number in range(2, SWAPS + 2):
            line.deploy(TRIPLE if number % 2 == 0 else DOUBLE)
            wait_for(lambda number=number: client.predict(X).deploy_seq == number, f"deployment {number}")  # type: ignore[misc]
        wait_for(lambda: not client.predict(X).stale, "sure")
        wait_for(lambda: counted(metrics(predictor), f"{SPREAD}_count").get("", 0) >= SWAPS, "every swap by all")

    assert load.failures == []
    right = {seq: (3.0, 6.0, 9.0) if seq % 2 == 0 else (2.0, 4.0, 6.0) for seq in range(1, SWAPS + 2)}
    assert all(y == right[seq] for seq, y in load.answers)
    assert all(count > 0 for count in by_process(predictor).values())
    text = metrics(predictor)
    spreads = counted(text, f"{SPREAD}_bucket")
    assert spreads['le="0.5"'] == spreads['le="+Inf"']


def test_a_process_that_is_killed_costs_its_own_connections_alone_and_comes_back(predictor: Running) -> None:
    victim = workers_of(predictor)[0]
    with load_at(predictor.address, CONNECTIONS) as load:
        wait_for(lambda: all(count > 0 for count in by_process(predictor).values()), "calls at each process")
        before = counted(metrics(predictor), REQUESTS)['code="OK",method="ModelInfer"']
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: victim not in workers_of(predictor), "its end")
        until(lambda: serve(predictor, PROCESSES), START_SECONDS, "another one in its place")
        enough = len(load.answers) + 200
        wait_for(lambda: len(load.answers) > enough, "more answers")
        after = counted(metrics(predictor), REQUESTS)['code="OK",method="ModelInfer"']

    assert load.failures == []  # calls that the victim took with it were tried again
    assert after >= before  # what it had counted stays counted
    assert counted(metrics(predictor), "pushline_predictor_processes_ended_total")[""] == 1
    assert len(workers_of(predictor)) == PROCESSES - 1


def test_a_process_that_is_asked_to_end_answers_first_and_is_started_again(predictor: Running) -> None:
    victim = workers_of(predictor)[0]
    with load_at(predictor.address, CONNECTIONS) as load:
        wait_for(lambda: len(load.answers) > CONNECTIONS, "a load")
        os.kill(victim, signal.SIGTERM)
        until(lambda: victim not in workers_of(predictor) and serve(predictor, PROCESSES), START_SECONDS, "another one")

    assert load.failures == []
    total = counted(metrics(predictor), REQUESTS)['code="OK",method="ModelInfer"']
    assert total >= len(load.answers)  # what it counted before it ended is not lost; calls tried again count twice


def test_a_process_that_begins_answers_nobody_before_it_can_serve(predictor: Running, line: Line) -> None:
    line.deploy(TRIPLE)
    wait_for(lambda: 'deploy_seq="2"' in metrics(predictor), "the second model")
    victim = workers_of(predictor)[0]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: victim not in workers_of(predictor), "its end")
    answers: list[Answer] = []
    while not serve(predictor, PROCESSES) or len(answers) < 2 * CONNECTIONS:
        with Client(predictor.address, retry=False) as client:
            answers.append(client.predict(X))

    assert {(answer.deploy_seq, answer.stale) for answer in answers} == {(2, False)}


def test_a_process_that_hangs_is_replaced_and_holds_no_reload_up(environ: dict[str, str], line: Line) -> None:
    line.deploy(DOUBLE)
    with a_predictor(environ, "--workers", "2") as predictor:
        until(lambda: serve(predictor, 2), START_SECONDS, "both processes to serve")
        (victim,) = workers_of(predictor)
        os.kill(victim, signal.SIGSTOP)
        line.deploy(TRIPLE)

        wait_for(lambda: 'deploy_seq="2"' in metrics(predictor), "the second model")
        until(lambda: victim not in workers_of(predictor) and serve(predictor, 2), START_SECONDS, "another one in its place")

        with ExitStack() as stack:
            clients = [stack.enter_context(Client(predictor.address)) for _ in range(CONNECTIONS)]
            assert {client.predict(X).deploy_seq for client in clients} == {2}


def test_the_first_process_takes_the_others_with_it(predictor: Running) -> None:
    workers = workers_of(predictor)
    assert len(workers) == PROCESSES - 1

    predictor.process.kill()
    began = time.monotonic()
    wait_for(lambda: not any(runs(pid) for pid in workers), "the end of all")

    assert time.monotonic() - began < 2


def test_a_signal_under_load_ends_all_and_fails_nothing(predictor: Running, environ: dict[str, str], tmp_path: Path) -> None:
    workers = workers_of(predictor)
    other = environ | {"PUSHLINE_PORTS_FILE": str(tmp_path / "other" / "ports.json"), "PUSHLINE_CACHE": str(tmp_path / "other")}
    (tmp_path / "other").mkdir()
    with a_predictor(other) as steady:
        wait_for(lambda: steady.get("/readyz")[0] == 200, "the other replica")
        with load_at(f"ipv4:{predictor.address},{steady.address}", CONNECTIONS) as load:
            wait_for(lambda: len(load.answers) > 10 * CONNECTIONS, "a load")
            predictor.process.send_signal(signal.SIGTERM)
            code = predictor.process.wait(timeout=20)
            wait_for(lambda: not any(runs(pid) for pid in workers), "the end of all")

    assert code == 0, predictor.output.read_text()
    assert load.failures == []


@pytest.mark.parametrize("first", ["1", "2"])
@pytest.mark.parametrize(("setting", "port"), [("PUSHLINE_GRPC_PORT", "grpc"), ("PUSHLINE_REST_PORT", "rest")])
def test_a_second_predictor_on_the_port_is_refused_in_one_sentence(
    environ: dict[str, str], first: str, setting: str, port: str
) -> None:
    with a_predictor(environ, "--workers", first) as predictor:
        again = environ | {setting: str(predictor.ports[port]), "PUSHLINE_WORKERS": "2"}
        done = subprocess.run(
            [sys.executable, "-m", "pushline.predictor"], env=again, capture_output=True, text=True, timeout=60, check=False
        )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"{setting}: cannot listen on 127.0.0.1 port {predictor.ports[port]}")


@pytest.mark.parametrize("said", ["0", "x", "-1", "65", "1.5", "2 "])
def test_a_wrong_number_of_processes_is_refused_by_name(environ: dict[str, str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pushline.predictor", f"--workers={said}"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.strip() == f'PUSHLINE_WORKERS: "{said}" is no number of processes from 1 to 64'


def test_further_processes_hold_no_secret_of_the_line(predictor: Running, environ: dict[str, str]) -> None:
    for pid in workers_of(predictor):
        text = Path(f"/proc/{pid}/environ").read_bytes().decode()
        assert environ["PUSHLINE_CACHE"] in text
        for name in ("PUSHLINE_S3_SECRET_KEY", "PUSHLINE_S3_ACCESS_KEY", "PUSHLINE_KAFKA"):
            assert f"{name}=" not in text
