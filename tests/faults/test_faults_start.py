"""A predictor starts in every state of the world: Kafka there or not, the store too, its own copy whole, damaged or none."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pushline.client import Answer, Client, PredictionFailed
from tests.faults.places import Place
from tests.faults.processes import FaultLine, Wish, fault_line
from tests.faults.proxy import HOST, Door
from tests.faults.repositories import X, program
from tests.faults.services import Service, one_more
from tests.fixtures.predictor.deploying import Line
from tests.waiting import until

REPEATS, LANES = 3, 8
SETTLED_SECONDS, BACK_SECONDS = 30.0, 40.0
SAME, BEHIND = "same", "behind"  # models: the copy is the newest deployment, or the one before it
OLD, NEW = 2.0, 3.0  # what they multiply by
NOT_SERVING, SERVING = health_pb2.HealthCheckResponse.NOT_SERVING, health_pb2.HealthCheckResponse.SERVING


@dataclass(frozen=True)
class Case:
    kafka: bool
    store: bool
    cache: str  # yes, no, corrupt
    repeat: int

    @property
    def model(self) -> str:
        return BEHIND if self.repeat % 2 else SAME

    @property
    def newest(self) -> int:
        return 2 if self.model == BEHIND else 1

    @property
    def expected(self) -> tuple[int, bool] | None:
        """Give (deploy_seq, stale) of the answer once nothing more happens by itself; None: it cannot answer yet."""
        if self.kafka and self.store:
            return self.newest, False
        if self.cache != "yes":
            return None
        return 1, not (self.kafka and self.model == SAME)

    def __str__(self) -> str:
        here = {True: "up", False: "down"}
        return f"kafka {here[self.kafka]}, store {here[self.store]}, cache {self.cache}, repeat {self.repeat}"


CASES = [Case(*each) for each in itertools.product((True, False), (True, False), ("yes", "no", "corrupt"), range(REPEATS))]


@dataclass
class World:
    line: FaultLine
    place: Place
    copy: Path  # of a cache that holds the first deployment of each model
    folder: Path

    @contextmanager
    def started(self, case: Case, kafka: Door, store: Door) -> Iterator[Service]:
        folder = self.folder / str(case).replace(" ", "-").replace(",", "")
        folder.mkdir()
        if case.cache != "no":
            shutil.copytree(self.copy, folder / "cache")
        if case.cache == "corrupt":
            corrupt(folder / "cache" / case.model, case.repeat)
        own = {"PUSHLINE_CACHE": str(folder / "cache"), "PUSHLINE_REPLICA": str(case.repeat), "PUSHLINE_MODELS": case.model}
        own |= {"PUSHLINE_KAFKA": f"{HOST}:{kafka.port}", "PUSHLINE_S3_ENDPOINT": f"http://{HOST}:{store.port}"}
        with one_more(self.line.services["predictor"], folder, own) as service:
            yield service


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[World]:
    """Deploy both models, let a predictor make its copy, then deploy one of them anew."""
    wish = Wish({}, services=("predictor",), environ={"PUSHLINE_MODELS": f"{SAME},{BEHIND}"})
    with fault_line(tmp_path_factory.mktemp("line"), place, wish) as line:
        deployer, predictor = Line(line.seen.log, line.seen.store), line.services["predictor"]
        for model in (SAME, BEHIND):
            deployer.deploy(program(OLD), model)
        predictor.ready()
        predictor.ask_to_stop()
        assert predictor.exit_code() == 0
        copy = Path(predictor.child.service.environ["PUSHLINE_CACHE"])
        deployer.deploy(program(NEW), BEHIND)
        yield World(line, place, copy, tmp_path_factory.mktemp("starts"))


def corrupt(cache: Path, way: int) -> None:
    """Damage a copy, each time in another way; none of them leaves anything that verifies."""
    state, files = cache / "state.json", sorted((cache / "files").iterdir(), key=lambda path: path.stat().st_size)
    for path in (state, *files):
        path.chmod(0o600)
    if way == 0:
        for path in files:
            path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    elif way == 1:
        for path in files:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif way == 2:
        state.write_bytes(b"\0" * state.stat().st_size)
    elif way == 3:
        state.write_bytes(state.read_bytes().replace(b'\\"deploy_seq\\":1', b'\\"deploy_seq\\":9'))
    else:
        files[-1].unlink()


@pytest.mark.timeout(600)
def test_a_predictor_starts_right_in_every_state_of_the_world(world: World, say: Callable[[str], None]) -> None:
    with ThreadPoolExecutor(LANES) as threads:
        found = list(threads.map(lambda case: trouble(world, case), CASES))

    wrong = [f"{case}: {problem}" for case, problem in zip(CASES, found, strict=True) if problem]
    cells = {(case.kafka, case.store, case.cache) for case in CASES}
    say(f"campaign=start-matrix trials={len(CASES)} cells={len(cells)} repeats={REPEATS} wrong={len(wrong)}")
    assert not wrong, "\n".join(wrong)


def trouble(world: World, case: Case) -> str:
    """Start it, look at it, let come back what was down, look again. Gives what was wrong."""
    kafka = Door(int(world.place.kafka.rpartition(":")[2]), is_open=case.kafka)
    store = Door(urlsplit(world.place.store.endpoint).port or 0, is_open=case.store)
    try:
        with world.started(case, kafka, store) as service:
            settled(service, case)
            look(service, case, case.expected)
            if not case.kafka:
                kafka.open()
            if not case.store:
                store.open()
            until(lambda: sees(service, case) == (case.newest, False), BACK_SECONDS, "the newest deployment, not stale")
            look(service, case, (case.newest, False))
    except AssertionError as error:
        return str(error)
    finally:
        kafka.close()
        store.close()
    return ""


def settled(service: Service, case: Case) -> None:
    """Wait until it has found out what it can: no look afterwards sees more."""
    if case.expected is not None:
        until(
            lambda: sees(service, case) == case.expected, SETTLED_SECONDS, f"answers as {case.expected}; now {sees(service, case)}"
        )
    elif case.kafka:
        until(lambda: f"{case.model} (" in service.problem(), SETTLED_SECONDS, "a load that failed")
    else:
        until(lambda: "broker" in service.problem().lower(), SETTLED_SECONDS, f"a word of the broker: {service.problem()}")


def sees(service: Service, case: Case) -> tuple[int, bool] | None:
    answer = ask(service, case)
    return (answer.deploy_seq, answer.stale) if answer is not None else None


def ask(service: Service, case: Case) -> Answer | None:
    """None where it cannot answer yet; any other refusal is wrong."""
    code = "UNAVAILABLE"
    with Client(f"{HOST}:{service.child.ports['grpc']}", retry=False) as client:
        try:
            return client.predict(X, model=case.model)
        except PredictionFailed as error:
            code = error.code
    assert code == "UNAVAILABLE"
    return None


def look(service: Service, case: Case, expected: tuple[int, bool] | None) -> None:
    """Fails where answer, readiness, health and metrics do not come to say the same, which is what is expected."""
    wanted = right(case, expected)
    until(lambda: told(service, case) == wanted, SETTLED_SECONDS, f"{wanted}; it is {told(service, case)}")


def told(service: Service, case: Case) -> dict[str, object]:
    answer, metrics = ask(service, case), service.metrics()
    stale = [line.endswith(" 1.0") for line in metrics.splitlines() if line.startswith("pushline_predictor_stale{")]
    return {
        "answer": (answer.y.tolist(), answer.deploy_seq, answer.stale) if answer else None,
        "ready": service.problem() == "",
        "health": health(service, ""),
        "health of the model": health(service, case.model),
        "metric of what is served": answer is not None and f'deploy_seq="{answer.deploy_seq}",digest="{answer.digest}"' in metrics,
        "metric of staleness": stale[0] if stale and answer else None,
    }


def right(case: Case, expected: tuple[int, bool] | None) -> dict[str, object]:
    """What `told` should say."""
    serving = SERVING if expected else NOT_SERVING
    factor = NEW if expected and expected[0] == case.newest == 2 else OLD
    return {
        "answer": ([[factor * x for x in X[0][:3]]], *expected) if expected else None,
        "ready": expected is not None,
        "health": serving,
        "health of the model": serving,
        "metric of what is served": expected is not None,
        "metric of staleness": expected[1] if expected else None,
    }


def health(service: Service, name: str) -> int | None:
    """Give what the health service says of a model, or of all of it; None where it does not know the model."""
    with grpc.insecure_channel(f"{HOST}:{service.child.ports['grpc']}") as channel, suppress(grpc.RpcError):
        told = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
        return int(told.status)
    return None
