"""Rollbacks under load: from the delivery report of the record until every answer comes from the old model."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pushline.line.events import ModelDeployed
from tests.faults.asking import Load, Said, serves, under_load
from tests.faults.evidence import report
from tests.faults.places import Place
from tests.faults.processes import FaultLine
from tests.faults.repositories import program
from tests.faults.services import Service
from tests.fixtures.predictor.deploying import Line
from tests.waiting import until

REPLICAS, ROLLBACK_SECONDS, REST_SECONDS = 3, 0.2, 0.002
SEED = 0  # nothing here is left to chance
MODEL = "rolled-back"


@dataclass(frozen=True)
class RolledBack:
    seconds: tuple[float, ...]  # of each rollback, sorted
    answers: int
    failures: int
    wrong: int  # answers that are not those of the model they name

    def quantile(self, share: float) -> float:
        return self.seconds[min(len(self.seconds) - 1, round(share * len(self.seconds)))]

    def __str__(self) -> str:
        p50, p99 = (f"{1e3 * self.quantile(share):.0f}" for share in (0.5, 0.99))
        figures: dict[str, float | str] = {"replicas": REPLICAS, "p50_ms": p50, "p99_ms": p99, "answers": self.answers}
        return report("rollback", len(self.seconds), self.failures, SEED, **figures)


def roll_back_often(line: FaultLine, deployer: Line, place: Place, count: int) -> RolledBack:
    """Deploy two models to three replicas, kill the store, and roll back and forth under load."""
    replicas = [line.services["predictor"], *(line.another(f"replica-{number}", "predictor") for number in range(2, REPLICAS + 1))]
    first, second = _deployed_on(replicas, deployer, 1.0), _deployed_on(replicas, deployer, 2.0)
    factors, reported = {1: 1.0, 2: 2.0}, dict[int, float]()
    place.servers["store"].kill()
    try:
        with under_load(replicas, MODEL, 1, REST_SECONDS) as load:
            until(lambda: _followed(load, second.deploy_seq), 30, "answers of all replicas")
            for number in range(count):
                back, factor = (first, 1.0) if number % 2 == 0 else (second, 2.0)
                event = deployer.rollback(back)
                reported[event.deploy_seq] = time.perf_counter()
                factors[event.deploy_seq] = factor
                until(lambda seq=event.deploy_seq: _followed(load, seq), 30, "answers of all replicas")  # type: ignore[misc]
    finally:
        place.servers["store"].start()
    taken = tuple(sorted(_last_older(load.answers, seq) - at for seq, at in reported.items()))
    return RolledBack(taken, len(load.answers), len(load.failures), len(load.wrong(factors)))


def _deployed_on(replicas: Sequence[Service], deployer: Line, factor: float) -> ModelDeployed:
    event = deployer.deploy(program(factor), MODEL)
    for replica in replicas:
        serves(replica, event)
    return event


def _followed(load: Load, deploy_seq: int) -> bool:
    newest = {said.replica: said.deploy_seq for said in load.answers[-100 * REPLICAS :]}
    return len(newest) == REPLICAS and min(newest.values()) >= deploy_seq


def _last_older(answers: Sequence[Said], deploy_seq: int) -> float:
    """Give the time from which on all answers come from this deployment."""
    return max(said.at for said in answers if said.deploy_seq < deploy_seq)
