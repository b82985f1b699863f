"""A predictor for the one model of a folder: a process without broker, store or network, asked over a socket that is its user's."""

import json
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from open_inference import open_inference_grpc_pb2 as pb
from pushline.client import BadRequest, Client, Unavailable
from tests.faults.procfs import children_of
from tests.fixtures.predictor.deploying import ENDLESS, TRIPLE
from tests.fixtures.predictor.folder import PROGRAM, command, put_model, serving, stub_at
from tests.fixtures.predictor.running import wait_for

X = [[1.0, 2.0, 3.0, 4.0]]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    put_model(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def door(tmp_path: Path) -> Path:
    return tmp_path / "door"


def refusal(*words: str | Path, environ: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(command(*words), env=environ or {}, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_it_answers_as_the_model_and_says_which_it_is(model: Path, door: Path) -> None:
    about = put_model(model)

    with serving(model, door), Client(f"unix:{door}") as client:
        answer = client.predict(X)
        described = client.describe()

    assert answer.y.tolist() == [[2, 4, 6]]
    assert (answer.model, answer.digest, answer.commit, answer.run_id) == (
        "numbers",
        about.digest,
        about.commit["sha"],
        about.run_id,
    )
    assert (answer.deploy_seq, answer.stale) == (0, False)
    assert (described.name, described.inputs[0].shape) == ("numbers", (-1, 4))


def test_the_socket_is_its_users_alone(model: Path, door: Path) -> None:
    with serving(model, door):
        assert stat.S_IMODE(door.stat().st_mode) == 0o600


def test_health_says_ready_of_server_and_model(model: Path, door: Path) -> None:
    with serving(model, door), grpc.insecure_channel(f"unix:{door}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "numbers", "inference.GRPCInferenceService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_stock_client_is_answered_over_the_socket(model: Path, door: Path) -> None:
    subprocess.run([ROOT / "tools" / "interop-env"], check=True, timeout=110)
    python, script = ROOT / ".venv/interop/bin/python", ROOT / "tests/fixtures/predictor/stock_client.py"

    with serving(model, door):
        words: list[str | Path] = [python, "-I", script, f"unix:{door}", "numbers"]
        done = subprocess.run(words, check=True, capture_output=True, timeout=60, text=True)

    seen = json.loads(done.stdout)
    assert (seen["live"], seen["ready"], seen["model_ready"], seen["server"]) == (True, True, True, "pushline-predictor")
    assert seen["raw"]["y"] == [[2, 4, 6], [10, 12, 14]]
    assert seen["typed"]["y"] == [2, 4, 6, 10, 12, 14]


def test_the_same_limits_and_refusals_hold_as_of_every_predictor(model: Path, door: Path) -> None:
    with serving(model, door, {"PUSHLINE_MAX_ROWS": "3"}), Client(f"unix:{door}") as client, stub_at(door) as stub:
        with pytest.raises(BadRequest, match=r"inputs\.x"):
            client.predict(np.zeros((1, 5)))
        with pytest.raises(BadRequest, match="NaN"):
            client.predict([[float("nan")] * 4])
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelMetadata(pb.ModelMetadataRequest(name="other"), timeout=5)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert client.predict(X * 3).y.shape == (3, 3)
        with pytest.raises(Exception, match="3"):
            client.predict(X * 4)


def test_it_starts_nothing_beside_itself_and_opens_no_port(model: Path, door: Path) -> None:
    with serving(model, door) as process:
        assert children_of(process.pid) == []
        inodes = {link.readlink().name for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.exists()}
        tables = [Path(f"/proc/{process.pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    ours = [line for table in tables for line in table if f"socket:[{line.split()[9]}]" in inodes]
    assert ours == []


def test_a_signal_drains_it_ends_well_and_takes_the_socket_away(model: Path, door: Path) -> None:
    with serving(model, door) as process, Client(f"unix:{door}") as client:
        assert client.is_ready()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert not door.exists()
        assert not client.is_ready()


def test_calls_under_way_at_a_signal_are_answered(model: Path, door: Path) -> None:
    answered, failed = [], []
    stop = threading.Event()

    def ask() -> None:
        with Client(f"unix:{door}", retry=False) as client:
            while not stop.is_set():
                try:
                    answered.append(client.predict(X).y.tolist())
                except Unavailable as error:  # it stops: told so, and not broken off
                    failed.append(error.sentence)
                    return

    with serving(model, door, {"PUSHLINE_DRAIN": "0.2s"}) as process:
        callers = [threading.Thread(target=ask) for _ in range(4)]
        for caller in callers:
            caller.start()
        wait_for(lambda: len(answered) > 100, "answers")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        stop.set()
        for caller in callers:
            caller.join(20)

    assert all(answer == [[2, 4, 6]] for answer in answered)
    assert len(failed) == 4


def test_it_is_served_at_a_port_as_well(model: Path, tmp_path: Path) -> None:
    ports = tmp_path / "ports.json"
    environ = {"PUSHLINE_PORTS_FILE": str(ports), "PUSHLINE_DRAIN": "0s"}
    with subprocess.Popen(command("--model", model, "--grpc-port", "0"), env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(ports.exists, "the ports file")
            with Client(f"127.0.0.1:{json.loads(ports.read_text())['grpc']}") as client:
                assert client.predict(X).y.tolist() == [[2, 4, 6]]
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_a_socket_that_nobody_listens_at_any_more_is_no_hindrance(model: Path, door: Path) -> None:
    with serving(model, door) as process:
        process.kill()
        process.wait()
    assert door.is_socket()

    with serving(model, door), Client(f"unix:{door}") as client:
        assert client.predict(X).y.tolist() == [[2, 4, 6]]


def test_a_socket_that_somebody_listens_at_stays_theirs(model: Path, door: Path) -> None:
    with serving(model, door), Client(f"unix:{door}") as client:
        code, said = refusal("--model", model, "--socket", door)
        assert (code, said) == (2, f"--socket: somebody listens at {door} already\n")
        assert client.predict(X).y.tolist() == [[2, 4, 6]]


def without_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def without_program(folder: Path) -> None:
    (folder / PROGRAM).unlink()


def other_bytes(folder: Path) -> None:
    (folder / PROGRAM).write_bytes(TRIPLE)


def no_program(folder: Path) -> None:
    put_model(folder, b"no program at all")


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{}")


def no_folder(folder: Path) -> None:
    without_manifest(folder)
    without_program(folder)
    folder.rmdir()


def tensorflow(folder: Path) -> None:
    put_model(folder, engine="tensorflow", programs=())


BAD: list[tuple[Callable[[Path], None], str]] = [
    (no_folder, "manifest.json cannot be read: No such file or directory"),
    (without_manifest, "manifest.json cannot be read: No such file or directory"),
    (no_manifest, "manifest.json cannot be read: schema is None"),
    (without_program, "program.tflite cannot be read: No such file or directory"),
    (other_bytes, "program.tflite is not the file of manifest.json: its SHA-256 is"),
    (no_program, "the serving program cannot be opened: "),
    (tensorflow, "set PUSHLINE_TENSORFLOW_PYTHON"),
]


@pytest.mark.parametrize(("spoil", "words"), BAD, ids=[spoil.__name__ for spoil, _ in BAD])
def test_a_model_that_cannot_be_served_is_refused_with_one_sentence(
    spoil: Callable[[Path], None], words: str, model: Path, door: Path
) -> None:
    spoil(model)

    code, said = refusal("--model", model, "--socket", door)

    assert code == 3
    assert said.startswith("--model: ")
    assert words in said
    assert len(said.splitlines()) == 1
    assert not door.exists()


def test_wrong_options_and_settings_are_named(model: Path, door: Path, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")

    wrong: list[tuple[tuple[str | Path, ...], dict[str, str], str]] = [
        (("--socket", tmp_path / "a file"), {}, f"--socket: {tmp_path / 'a file'} is there already, and no socket"),
        (("--socket", tmp_path / "none" / "door"), {}, f"--socket: there is no folder {tmp_path / 'none'}"),
        (("--socket", tmp_path / ("d" * 120)), {}, "is longer than 103 bytes"),
        (("--grpc-port", "70000"), {}, '--grpc-port: "70000" is no port'),
        (("--socket", door), {"PUSHLINE_MAX_ROWS": "many"}, 'PUSHLINE_MAX_ROWS: "many"'),
    ]
    for words, environ, sentence in wrong:
        code, said = refusal("--model", model, *words, environ=environ)
        assert code == 2
        assert sentence in said


def test_a_port_that_is_taken_is_named(model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, said = refusal("--model", model, "--grpc-port", str(port))

    assert code == 2
    assert f"\n--grpc-port: cannot listen on 127.0.0.1 port {port}" in said


def test_a_program_that_never_answers_never_listens_and_ends_with_the_process(tmp_path: Path, door: Path) -> None:
    put_model(tmp_path / "endless", ENDLESS)
    with subprocess.Popen(command("--model", tmp_path / "endless", "--socket", door), env={}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b'"message":"opening"' in process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert not door.exists()
        process.kill()
