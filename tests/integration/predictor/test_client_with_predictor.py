"""The clients and a real predictor: what a user expects of an answer."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from pushline.client import Answer, AsyncClient, BadRequest, Client, ModelNotFound, Tensor, Unavailable
from pushline.predictor.service import Service
from tests.fixtures.predictor.deploying import DOUBLE, MIXED, Line
from tests.fixtures.predictor.running import a_line, running, wait_until_sure

LABELS = ("low", "mid,dle", "hïgh")
MIXED_X: dict[str, npt.ArrayLike] = {"tokens": [[3, 4]], "scale": [[0.5]]}


@dataclass(frozen=True)
class Deployed:
    service: Service
    line: Line
    client: Client

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.service.door.port}"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    line, log, store = a_line()
    line.deploy(DOUBLE, labels=LABELS)
    line.deploy(MIXED, model="mixed", task="regression")
    cache = tmp_path_factory.mktemp("cache")
    with running(cache, log, store, models="numbers,mixed,later,changing") as service:
        for model in ("numbers", "mixed"):
            wait_until_sure(service, 1, model)
        with Client(f"127.0.0.1:{service.door.port}") as client:
            yield Deployed(service, line, client)


def test_an_answer_has_numbers_labels_and_who_gave_it(deployed: Deployed) -> None:
    event = deployed.line.newest["numbers"]

    answer = deployed.client.predict([[9, 1, 1, 0], [0, 0, 5, 0]], model="numbers")

    assert (answer.y.dtype.name, answer.y.tolist()) == ("float32", [[18, 2, 2], [0, 0, 10]])
    assert (answer.label, answer.labels) == ("low", ("low", "hïgh"))
    assert (answer.model, answer.digest, answer.commit) == ("numbers", event.digest, event.commit.sha)
    assert (answer.deploy_seq, answer.run_id, answer.stale) == (1, event.run_id, False)


def test_each_answer_has_the_labels_of_its_own_rows(deployed: Deployed) -> None:
    rows = np.eye(4, dtype=np.float32)[:3]

    labels = [deployed.client.predict(row[None], model="numbers").label for row in rows]

    assert labels == list(LABELS)


def test_a_loop_gets_the_same_answer(deployed: Deployed) -> None:
    async def ask() -> Answer:
        async with AsyncClient(deployed.address) as client:
            assert await client.is_ready("numbers")
            assert not await client.is_ready("later")
            assert (await client.describe("numbers")).inputs == (Tensor("x", np.dtype(np.float32), (-1, 4)),)
            return await client.predict([[9, 1, 1, 0]], model="numbers")

    answer, other = asyncio.run(ask()), deployed.client.predict([[9, 1, 1, 0]], model="numbers")

    assert answer.y.tolist() == other.y.tolist()
    assert (answer.label, answer.commit, answer.run_id) == (other.label, other.commit, other.run_id)


def test_several_inputs_of_different_dtypes_go_by_name(deployed: Deployed) -> None:
    answer = deployed.client.predict(MIXED_X, model="mixed")

    assert answer.y.tolist() == [[3.5]]
    assert answer.label == ""


@pytest.mark.parametrize(
    ("x", "why"),
    [
        pytest.param([[1, 2]], "^x: the model has several inputs; give .*tokens.* by name", id="one array"),
        pytest.param({"tokens": [[1.5, 2]], "scale": [[1]]}, "^tokens: .*not whole", id="a fraction"),
        pytest.param({"tokens": [[2**31, 2]], "scale": [[1]]}, "^tokens: .*does not fit int32", id="too large"),
        pytest.param({"tokens": [[1, 2]], "scale": [["a"]]}, "^scale: .*not numbers", id="text"),
        pytest.param({"tokens": [[1, 2, 3]], "scale": [[1]]}, "^inputs.tokens.shape: ", id="a shape, which the predictor checks"),
        pytest.param({"tokens": [[1, 2]], "scale": [[float("nan")]]}, "^inputs.scale.contents: ", id="NaN, likewise"),
    ],
)
def test_what_does_not_fit_names_the_input(deployed: Deployed, x: object, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        deployed.client.predict(x, model="mixed")  # type: ignore[arg-type]  # wrong on purpose


def test_a_version_is_asked_for_by_its_deploy_seq(deployed: Deployed) -> None:
    assert deployed.client.predict([[1, 2, 3, 4]], model="numbers", version=1).deploy_seq == 1
    with pytest.raises(ModelNotFound, match="version 1 is served"):
        deployed.client.predict([[1, 2, 3, 4]], model="numbers", version=2)


def test_a_model_that_is_not_there_and_one_that_is_not_there_yet(deployed: Deployed) -> None:
    with pytest.raises(ModelNotFound):
        deployed.client.predict([[1, 2, 3, 4]], model="other")
    with pytest.raises(Unavailable, match="nothing is deployed yet"):
        deployed.client.predict([[1, 2, 3, 4]], model="later")


def test_ready_is_what_answers(deployed: Deployed) -> None:
    assert deployed.client.is_ready("numbers")
    assert not deployed.client.is_ready("later")
    assert not deployed.client.is_ready("other")
    assert not deployed.client.is_ready()  # as `later` was asked for by name
    with Client("127.0.0.1:1", timeout_seconds=2) as nobody:
        assert not nobody.is_ready()


def test_a_deployment_that_takes_something_else_is_found_out(deployed: Deployed) -> None:
    deployed.line.deploy(DOUBLE, model="changing")
    wait_until_sure(deployed.service, 1, "changing")
    assert deployed.client.predict([[1, 2, 3, 4]], model="changing").deploy_seq == 1

    deployed.line.deploy(MIXED, model="changing", task="regression")
    wait_until_sure(deployed.service, 2, "changing")

    assert deployed.client.predict(MIXED_X, model="changing").deploy_seq == 2
