"""The predictor as a process, on the embedded broker and store: it listens, serves, reloads, drains and ends well."""

import json
import signal
import subprocess
import sys

import pytest

from pushline.client import Client
from pushline.line.kafka import KafkaLog
from pushline.objects.minio_store import MinioStore
from tests.fixtures.predictor.deploying import DOUBLE, TRIPLE, Line
from tests.fixtures.predictor.process import a_predictor
from tests.fixtures.predictor.running import wait_for
from tests.servers import StoreAddress

X = [[1.0, 2.0, 3.0, 4.0]]


def test_a_deployment_becomes_an_answer_and_a_signal_ends_it_well(
    environ: dict[str, str], broker: str, topic_prefix: str, kafka_options: dict[str, str], store_settings: StoreAddress
) -> None:
    log = KafkaLog(broker, topic_prefix, kafka_options)
    line = Line(log, MinioStore(*store_settings))
    with a_predictor(environ) as predictor, Client(predictor.address) as client:
        assert predictor.get("/livez")[0] == 200
        assert predictor.get("/readyz")[0] == 503
        line.deploy(DOUBLE)
        wait_for(lambda: predictor.get("/readyz")[0] == 200, "ready")
        assert client.predict(X).y.tolist() == [[2, 4, 6]]

        event = line.deploy(TRIPLE)
        wait_for(lambda: client.predict(X).deploy_seq == 2, "the second model")
        wait_for(lambda: not client.predict(X).stale, "sure")
        assert f'commit="{event.commit.sha}",deploy_seq="2"' in predictor.get("/metrics")[1]

        predictor.process.send_signal(signal.SIGTERM)
        predictor.process.wait(timeout=20)
    log.close()

    output = predictor.output.read_text()
    assert predictor.process.returncode == 0, output
    lines = [json.loads(each) for each in output.splitlines() if each.startswith("{")]
    listening = [each for each in lines if each["message"] == "listening"]
    assert len(listening) == 1
    assert listening[0]["labels"]["port_grpc"] == predictor.ports["grpc"]
    assert environ["PUSHLINE_S3_SECRET_KEY"] not in output


def test_it_starts_from_its_disk_with_neither_broker_nor_store(
    environ: dict[str, str], broker: str, topic_prefix: str, kafka_options: dict[str, str], store_settings: StoreAddress
) -> None:
    log = KafkaLog(broker, topic_prefix, kafka_options)
    with a_predictor(environ) as predictor:
        Line(log, MinioStore(*store_settings)).deploy(DOUBLE)
        wait_for(lambda: predictor.get("/readyz")[0] == 200, "ready")
    log.close()
    nowhere = {"PUSHLINE_KAFKA": "127.0.0.1:1", "PUSHLINE_S3_ENDPOINT": "http://127.0.0.1:1"}

    with a_predictor(environ | nowhere) as predictor, Client(predictor.address) as client:
        answer = client.predict(X)
        assert predictor.get("/readyz")[0] == 200
        predictor.process.send_signal(signal.SIGTERM)
        assert predictor.process.wait(timeout=20) == 0

    assert (answer.y.tolist(), answer.stale) == ([[2, 4, 6]], True)


def test_settings_that_are_missing_are_all_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pushline.predictor"], env={}, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 2
    for name in ("PUSHLINE_CACHE", "PUSHLINE_KAFKA", "PUSHLINE_S3_ENDPOINT", "PUSHLINE_S3_ACCESS_KEY", "PUSHLINE_S3_SECRET_KEY"):
        assert name in done.stderr


@pytest.mark.parametrize(("setting", "port"), [("PUSHLINE_GRPC_PORT", "grpc"), ("PUSHLINE_REST_PORT", "rest")])
def test_a_port_that_is_taken_is_one_clear_sentence(environ: dict[str, str], setting: str, port: str) -> None:
    with a_predictor(environ) as predictor:
        taken = environ | {setting: str(predictor.ports[port])}
        done = subprocess.run(
            [sys.executable, "-m", "pushline.predictor"], env=taken, capture_output=True, text=True, timeout=60, check=False
        )

    assert done.returncode == 2
    assert setting in done.stderr
