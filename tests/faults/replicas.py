"""Several predictors that follow one log while one stands still for a while: whether and when they are of one mind again."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from random import Random
from statistics import median

from tests.faults.asking import Load, serves, times, under_load
from tests.faults.evidence import report, seeded
from tests.faults.repositories import X, program
from tests.faults.services import Service
from tests.fixtures.predictor.deploying import Line

DEPLOYMENTS_A_ROUND = 5
LONGEST_PAUSE_SECONDS, CONVERGED_SECONDS, ANSWER_SECONDS = 0.3, 30.0, 60.0
REST_SECONDS = 0.01


@dataclass
class RestLoad:
    """Asks over REST until it is stopped, over one connection each: (deploy_seq, numbers) in the order of the answers."""

    model: str
    stop: threading.Event = field(default_factory=threading.Event)
    said: list[list[tuple[int, list[float]]]] = field(default_factory=list)  # by connection
    failures: list[str] = field(default_factory=list)

    def ask(self, port: int) -> None:
        own: list[tuple[int, list[float]]] = []
        self.said.append(own)
        with closing(HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)) as calling:
            while not self.stop.wait(REST_SECONDS):
                try:
                    own.append(self._answer(calling))
                except (OSError, HTTPException, ValueError) as error:
                    self.failures.append(repr(error))
                    calling.close()

    def _answer(self, calling: HTTPConnection) -> tuple[int, list[float]]:
        body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": X[0]}]}
        calling.request("POST", f"/v2/models/{self.model}/infer", json.dumps(body), {"Content-Type": "application/json"})
        answer = calling.getresponse()
        told = json.loads(answer.read())
        if answer.status != 200:
            raise ValueError(f"{answer.status} {told}")
        return int(told["parameters"]["deploy_seq"]), list(told["outputs"][0]["data"])


@contextmanager
def under_rest_load(services: Sequence[Service], model: str) -> Iterator[RestLoad]:
    load = RestLoad(model)
    asking = [threading.Thread(target=load.ask, args=(service.child.ports["rest"],)) for service in services]
    for thread in asking:
        thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        for thread in asking:
            thread.join()


def gone_back(numbers: Sequence[int]) -> list[str]:
    """Say where a connection was told an older deployment after a newer one."""
    newest, found = 0, []
    for number in numbers:
        if number < newest:
            found.append(f"deploy_seq went back from {newest} to {number}")
        newest = max(newest, number)
    return found


@dataclass
class ReplicaCampaign:
    """Rounds of deployments. In each one replica stands still from somewhere in the middle; then all have to converge."""

    replicas: Sequence[Service]
    deployer: Line
    model: str
    seed: int
    factors: dict[int, float] = field(default_factory=dict)  # by deploy_seq
    converging: list[float] = field(default_factory=list)  # seconds from the thaw until all serve the newest
    wrong: list[str] = field(default_factory=list)
    asked: int = 0

    def play(self, deployments: int) -> None:
        chance = seeded(self.seed)
        self._deploy()
        with under_load(self.replicas, self.model, 1, REST_SECONDS) as load, under_rest_load(self.replicas, self.model) as rest:
            while len(self.factors) <= deployments:
                self._round(chance)
        self._judge(load, rest)
        self.asked = len(load.answers) + sum(map(len, rest.said))

    def _deploy(self) -> None:
        factor = float(len(self.factors) + 1)
        event = self.deployer.deploy(program(factor), self.model)
        self.factors[event.deploy_seq] = factor
        if len(self.factors) == 1:
            self._all_serve()

    def _round(self, chance: Random) -> None:
        frozen, since = chance.choice(self.replicas), chance.randrange(DEPLOYMENTS_A_ROUND)
        pause = threading.Event()
        with ExitStack() as stack:
            for number in range(DEPLOYMENTS_A_ROUND):
                if number == since:
                    stack.enter_context(frozen.frozen())
                self._deploy()
                pause.wait(chance.uniform(0, LONGEST_PAUSE_SECONDS))
            for replica in self.replicas:
                if replica is not frozen:  # one that stands still holds up no other
                    self._serves_newest(replica)
        began = time.monotonic()
        self._all_serve()
        self.converging.append(time.monotonic() - began)

    def _all_serve(self) -> None:
        for replica in self.replicas:
            self._serves_newest(replica)

    def _serves_newest(self, replica: Service) -> None:
        try:
            serves(replica, self.deployer.newest[self.model], CONVERGED_SECONDS)
        except (AssertionError, TimeoutError) as error:
            self.wrong.append(f"{replica.child.service.name}: {error}")

    def _judge(self, load: Load, rest: RestLoad) -> None:
        self.wrong += [*load.failures[:5], *rest.failures[:5], *map(str, load.wrong(self.factors)[:5])]
        for own in rest.said:
            self.wrong += gone_back([number for number, _ in own])
            self.wrong += [f"wrong numbers of {seq}: {y}" for seq, y in own if [y] != times(self.factors[seq])][:5]

    def told(self) -> tuple[list[str], str]:
        figures: dict[str, float | str] = {
            "replicas": len(self.replicas),
            "freezes": len(self.converging),
            "answers": self.asked,
            "converged_median_s": round(median(self.converging or [0.0]), 2),
            "converged_max_s": round(max(self.converging, default=0.0), 2),
        }
        return self.wrong, report("replicas", len(self.factors) - 1, len(self.wrong), self.seed, **figures)
