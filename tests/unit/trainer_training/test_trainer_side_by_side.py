"""The recipe and the trainer's answers in a real stage on the log in memory; only the training itself is a stand-in."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pushline.line.codec import encode
from pushline.line.events import ModelTrained
from pushline.line.ledger import Run
from pushline.line.memory import MemoryLog
from pushline.line.stage import Stage, Transient
from pushline.line.tail import Tail
from pushline.line.topics import COMMIT, TOPIC_NAMES
from pushline.line.writer import Writer
from pushline.runtime.operator_file import ModelConfig
from pushline.trainer import trained_event
from pushline.trainer.failures import Failure
from pushline.trainer.on_commit import Hindrances, OnCommit
from pushline.trainer.recipe import Recipe, Task
from tests.fixtures.trainer_intake.forge import a_model, a_push, a_rerun
from tests.waiting import until

Train = Callable[[Run, threading.Event], ModelTrained | None]


class Trains:
    """Implements Trainer."""

    def __init__(self, train: Train) -> None:
        self._train = train

    def train(self, run: Run, _config: ModelConfig, cancelled: threading.Event, /) -> ModelTrained | None:
        return self._train(run, cancelled)


def failed(run: Run) -> ModelTrained:
    return trained_event.failed(run, Failure("script_failed", "train.py failed."), "")


@contextmanager
def stage(log: MemoryLog, models: list[ModelConfig], most: int, train: Train) -> Iterator[Tail]:
    hindrances, tail = Hindrances(), Tail(log, TOPIC_NAMES)
    recipe = Recipe({model.name: model for model in models}, most, hindrances)
    work = OnCommit(recipe, Trains(train), tail.read, hindrances)
    running: Stage[Task] = Stage(
        name="trainer",
        hears=COMMIT,
        log=log,
        tail=tail,
        writer=Writer(log, tail, "pushline/trainer"),
        decide=recipe,
        work=work,
        max_workers=most + len(models),
    )
    tail.start()
    running.start()
    try:
        yield tail
    finally:
        running.stop(10)
        tail.stop()


def outcomes(tail: Tail) -> dict[str, str]:
    with tail.read() as ledger:
        return {f"{run.model} {run.generation}.{run.attempt}": run.outcome for run in ledger.runs.values()}


def push(log: MemoryLog, model: str, generation: int = 1) -> None:
    log.append(encode(a_push(f"{generation:040x}", generation, generation - 1, model), "test"))


def test_as_many_trainings_run_side_by_side_as_there_are_places() -> None:
    log, both = MemoryLog(), threading.Barrier(2, timeout=20)
    models = [a_model(name) for name in ("digits", "diabetes")]
    for model in models:
        push(log, model.name)

    def train(run: Run, _cancelled: threading.Event) -> ModelTrained:
        both.wait()
        return failed(run)

    with stage(log, models, 2, train) as tail:
        until(lambda: outcomes(tail) == {"digits 1.1": "failed", "diabetes 1.1": "failed"}, 20)


def test_a_model_whose_forge_is_away_does_not_hold_up_the_others_with_one_place() -> None:
    log, models = MemoryLog(), [a_model(name) for name in ("diabetes", "digits")]
    for model in models:
        push(log, model.name)

    def train(run: Run, _cancelled: threading.Event) -> ModelTrained:
        if run.model == "diabetes":
            raise Transient("forge: away")
        return failed(run)

    with stage(log, models, 1, train) as tail:
        until(lambda: outcomes(tail) == {"digits 1.1": "failed", "diabetes 1.1": ""}, 20)


def test_under_every_the_commits_and_reruns_of_a_model_are_trained_one_by_one_oldest_first() -> None:
    log, order, now, most = MemoryLog(), list[str](), list[Run](), list[int]()
    for generation in (1, 2, 3):
        push(log, "digits", generation)
    first = a_push(f"{1:040x}", 1, 0, "digits")
    cause = dict(encode(first, "test").headers)["ce_id"]
    assert cause is not None
    log.append(encode(a_rerun(first, cause.decode(), 2), "test"))

    def train(run: Run, _cancelled: threading.Event) -> ModelTrained:
        now.append(run)
        most.append(len(now))
        order.append(f"{run.generation}.{run.attempt}")
        now.remove(run)
        return failed(run)

    with stage(log, [a_model(policy="every")], 4, train) as tail:
        until(lambda: list(outcomes(tail).values()) == ["failed"] * 4, 20)

    assert (order, max(most)) == (["1.1", "1.2", "2.1", "3.1"], 1)
