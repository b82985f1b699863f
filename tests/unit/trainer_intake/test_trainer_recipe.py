"""The recipe as a table of situations. Ledgers are folds of real records."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from pushline.line.codec import decode, encode
from pushline.line.events import Event, ModelTrained
from pushline.line.ledger import Ledger, Run
from pushline.line.memory import MemoryLog
from pushline.line.stage import Transient
from pushline.runtime.operator_file import ModelConfig
from pushline.trainer.on_commit import Hindrances, OnCommit
from pushline.trainer.recipe import CANCELLED, NEWER_COMMIT, Recipe, Task
from pushline.trainer.trained_event import superseded
from tests.fixtures.trainer_intake.forge import a_model, a_push, a_rerun

ALL = frozenset(range(4))


class Story:
    """Writes records one by one and folds them as a reader would."""

    def __init__(self) -> None:
        self.log, self.ledger = MemoryLog(), Ledger(4)

    def say(self, event: Event) -> str:
        record = self.log.append(encode(event, "pushline/test"))
        assert self.ledger.fold(record)[0].verdict == "valid"
        return decode(record).id

    def push(self, generation: int, model: str = "digits") -> Run:
        event = a_push(f"{generation:040x}", generation, generation - 1, model)
        self.say(event)
        return self.ledger.runs[event.run_id]

    def rerun(self, of: Run, attempt: int) -> Run:
        event = a_rerun(of.push.event, of.push.id, attempt)
        self.say(event)
        return self.ledger.runs[event.run_id]

    def end(self, run: Run, outcome: str, reason: str = "") -> None:
        digest = "0" * 64 if outcome == "succeeded" else ""
        self.say(replace(superseded(run, run, reason or NEWER_COMMIT), outcome=outcome, reason=reason, digest=digest))

    @contextmanager
    def read(self) -> Iterator[Ledger]:
        yield self.ledger


def recipe(*models: ModelConfig, max_trainings: int = 1) -> Recipe:
    return Recipe({model.name: model for model in models or (a_model(),)}, max_trainings)


def running(*runs: Run) -> dict[str, Task]:
    return {run.run_id: Task(run, None) for run in runs}


@dataclass(frozen=True)
class Situation:
    """What was pushed and ended (in this order), what runs, and what is to be done. Runs are named by generation.attempt."""

    name: str
    story: str  # "1 2 1.2" pushes and reruns; "2=succeeded", "1=cancelled" ends
    runs: str = ""
    train: str = ""
    supersede: str = ""
    cancel: str = ""
    cancel_running: bool = True
    policy: str = "latest"


SITUATIONS = (
    Situation("nothing was pushed", ""),
    Situation("one open run is trained", "1", train="1"),
    Situation("one that runs is left alone", "1", runs="1"),
    Situation("one that ended is not trained again", "1 1=succeeded"),
    Situation("one that failed is not trained again", "1 1=failed"),
    Situation("the newest open one is trained and the older ones are superseded", "1 2 3", train="3", supersede="1 2"),
    Situation("a newer one waits until the older one was cancelled", "1 2", runs="1", cancel="1"),
    Situation("older ones that do not run are superseded while another runs", "1 2 3", runs="1", supersede="2", cancel="1"),
    Situation("the newest runs and the older one does not", "1 2", runs="2", supersede="1"),
    Situation("an older one goes on where the operator says so", "1 2", runs="1", cancel_running=False),
    Situation("with that, those between are superseded all the same", "1 2 3", runs="1", supersede="2", cancel_running=False),
    Situation("after a cancelled one the next goes through to its end", "1 2 1=cancelled 3", runs="2"),
    Situation("and those between are superseded meanwhile", "1 2 1=cancelled 3 4", runs="2", supersede="3"),
    Situation("once one ended by itself, the next may be cancelled", "1 2 1=cancelled 2=succeeded 3 4", runs="3", cancel="3"),
    Situation("a failed one ended by itself too", "1 2 1=cancelled 2=failed 3 4", runs="3", cancel="3"),
    Situation("one that was superseded unbegun spares nobody", "1 2 1=superseded 3", runs="2", cancel="2"),
    Situation("one that was superseded unbegun does not end the sparing", "1 2 1=cancelled 3 2=superseded 4", runs="3"),
    Situation("a rerun of an ended run is trained", "1 1=failed 1.2", train="1.2"),
    Situation("a rerun is newer than the run it repeats", "1 1.2", train="1.2", supersede="1"),
    Situation("a rerun is no newer commit", "1 1=failed 2 1.2", train="2", supersede="1.2"),
    Situation("a rerun of an older push is trained once nothing newer is open", "1 1=failed 2 2=succeeded 1.2", train="1.2"),
    Situation("a push cancels a rerun that runs", "1 1=failed 1.2 2", runs="1.2", cancel="1.2"),
    Situation("what somebody else has answered is stopped", "1 1=succeeded", runs="1", cancel="1"),
    Situation("what somebody else has answered makes no room before it ended", "1 1=failed 2", runs="1", cancel="1"),
    Situation("under every the oldest open one is trained and nothing superseded", "1 2 3", train="1", policy="every"),
    Situation("under every the next one waits for its turn", "1 2 3", runs="1", policy="every"),
    Situation("under every a failed one leaves the turn to the next", "1 2 3 1=failed", train="2", policy="every"),
    Situation("under every a newer one stops nothing, whatever was cancelled", "1 2 1=cancelled 3", runs="2", policy="every"),
    Situation("under every a rerun stands where its push stood", "1 1=failed 2 3 2=failed 1.2", train="1.2", policy="every"),
    Situation("under every two reruns come in the order of their attempts", "1 1=failed 1.2 1.3", train="1.2", policy="every"),
    Situation("under every what somebody else has answered is stopped", "1 1=succeeded 2", runs="1", cancel="1", policy="every"),
    Situation("a rerun of a rerun is the newer one", "1 1=failed 1.2 1.2=failed 1.3", train="1.3"),
)


def tell(story: str) -> tuple[Story, dict[str, Run]]:
    told, runs = Story(), dict[str, Run]()
    for word in story.split():
        name, ended, outcome = word.partition("=")
        generation, _, attempt = name.partition(".")
        if ended:
            told.end(runs[name], *(("superseded", CANCELLED) if outcome == "cancelled" else (outcome,)))
        elif attempt:
            runs[name] = told.rerun(runs[generation], int(attempt))
        else:
            runs[name] = told.push(int(generation))
    return told, runs


def names_of(keys: Sequence[str], runs: dict[str, Run]) -> list[str]:
    by_id = {run.run_id: name for name, run in runs.items()}
    return sorted(by_id[key] for key in keys)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name.replace(" ", "_"))
def test_in_this_situation(situation: Situation) -> None:
    story, runs = tell(situation.story)
    model = a_model(cancel_running=situation.cancel_running, policy=situation.policy)

    decision = recipe(model)(story.ledger, ALL, running(*(runs[name] for name in situation.runs.split())))

    assert names_of([task.key for task in decision.start if task.superseded_by is None], runs) == situation.train.split()
    assert names_of([task.key for task in decision.start if task.superseded_by], runs) == situation.supersede.split()
    assert names_of(decision.cancel, runs) == situation.cancel.split()


def test_superseded_runs_name_the_newest() -> None:
    story, runs = tell("1 2 3")

    tasks = recipe()(story.ledger, ALL, {}).start

    assert [task.superseded_by and task.superseded_by.run_id for task in tasks] == [runs["3"].run_id, runs["3"].run_id, None]


def test_models_that_the_operator_does_not_name_are_left_alone() -> None:
    story = Story()
    story.push(1, "stranger")

    assert recipe()(story.ledger, ALL, {}).start == ()


def test_partitions_of_other_replicas_are_left_alone() -> None:
    story, runs = tell("1 2")

    decision = recipe()(story.ledger, ALL - {runs["1"].push.partition}, {})

    assert decision.start == ()


def test_a_lost_partition_does_not_stop_a_training() -> None:
    story, runs = tell("1")

    assert recipe()(story.ledger, frozenset(), running(runs["1"])).cancel == ()


def test_models_do_not_wait_for_each_other_where_there_is_room() -> None:
    story = Story()
    models = [a_model(name) for name in ("digits", "diabetes", "flowers")]
    for model in models:
        story.push(1, model.name)

    tasks = recipe(*models, max_trainings=2)(story.ledger, ALL, {}).start

    assert len(tasks) == 2
    rest = recipe(*models, max_trainings=2)(story.ledger, ALL, {task.key: task for task in tasks}).start
    assert rest == ()


def test_what_waits_for_trouble_to_pass_takes_no_place_and_lets_others_go_first() -> None:
    story, hindrances = Story(), Hindrances()
    models = [a_model(name) for name in ("digits", "diabetes")]
    stuck, other = story.push(1, "diabetes"), story.push(1)
    decide = Recipe({model.name: model for model in models}, 1, hindrances)
    assert [task.run for task in decide(story.ledger, ALL, {}).start] == [stuck]

    with pytest.raises(Transient):
        OnCommit(decide, Trains(Transient("forge: away")), story.read, hindrances)(Task(stuck, None), threading.Event())

    assert [task.run for task in decide(story.ledger, ALL, running(stuck)).start] == [other]
    assert [task.run for task in decide(story.ledger, ALL, {}).start] == [other]
    story.end(other, "failed")
    assert [task.run for task in decide(story.ledger, ALL, {}).start] == [stuck]


def test_one_that_goes_on_after_trouble_takes_its_place_again() -> None:
    story, hindrances = Story(), Hindrances()
    models = [a_model(name) for name in ("digits", "diabetes")]
    stuck, _ = story.push(1, "diabetes"), story.push(1)
    decide = Recipe({model.name: model for model in models}, 1, hindrances)
    hindrances.met(stuck.run_id)

    hindrances.begun(stuck.run_id)

    assert decide(story.ledger, ALL, running(stuck)).start == ()


def test_superseded_answers_need_no_place_of_a_training() -> None:
    story = Story()
    models = [a_model(name) for name in ("digits", "diabetes")]
    busy = story.push(1, "diabetes")
    older, _ = story.push(1), story.push(2)

    (task,) = recipe(*models)(story.ledger, ALL, running(busy)).start

    assert task.run is older
    assert task.superseded_by is not None


def test_a_ledger_made_afresh_does_not_confuse_what_runs() -> None:
    _, runs = tell("1")

    assert recipe()(Ledger(4), ALL, running(runs["1"])).cancel == ()


class Trains:
    """Implements Trainer: gives the answer it was made with, or None once it was cancelled; raises what is trouble."""

    def __init__(self, answer: ModelTrained | Transient | None) -> None:
        self.answer = answer

    def train(self, _run: Run, _config: ModelConfig, _cancelled: threading.Event, /) -> ModelTrained | None:
        if isinstance(self.answer, Transient):
            raise self.answer
        return self.answer


def on_commit(story: Story, answer: ModelTrained | None, model: ModelConfig | None = None) -> OnCommit:
    return OnCommit(recipe(model or a_model()), Trains(answer), story.read)


def is_set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_the_answer_to_an_open_run_is_the_trainers() -> None:
    story, runs = tell("1")
    answer = replace(superseded(runs["1"], runs["1"], ""), outcome="succeeded", reason="")

    assert on_commit(story, answer)(Task(runs["1"], None), threading.Event()) is answer


def test_a_superseded_run_is_never_given_to_the_trainer() -> None:
    story, runs = tell("1 2")

    answer = on_commit(story, None)(Task(runs["1"], runs["2"]), threading.Event())

    assert answer is not None
    assert (answer.outcome, answer.reason) == ("superseded", NEWER_COMMIT)
    assert answer.caused_by == runs["1"].push.id
    assert answer.sentence == "commit 000000000000 (generation 2, attempt 1) came before this one was trained."
    story.say(answer)
    assert runs["1"].outcome == "superseded"


def test_a_training_stopped_for_a_newer_run_says_so() -> None:
    story, runs = tell("1 2")

    answer = on_commit(story, None)(Task(runs["1"], None), is_set())

    assert answer is not None
    assert (answer.outcome, answer.reason) == ("superseded", CANCELLED)


def test_a_training_stopped_because_the_process_stops_says_nothing() -> None:
    story, runs = tell("1")

    assert on_commit(story, None)(Task(runs["1"], None), is_set()) is None


def test_a_spared_training_stopped_because_the_process_stops_says_nothing() -> None:
    story, runs = tell("1 2 1=cancelled 3")

    assert on_commit(story, None)(Task(runs["2"], None), is_set()) is None


def test_a_training_that_ended_before_the_cancel_reached_it_counts() -> None:
    story, runs = tell("1 2")
    answer = replace(superseded(runs["1"], runs["1"], ""), outcome="failed", reason="script_failed")

    assert on_commit(story, answer)(Task(runs["1"], None), is_set()) is answer


def test_a_repeat_after_a_crash_has_the_same_bytes() -> None:
    (_, runs), (_, runs_again) = tell("1 2"), tell("1 2")

    first = superseded(runs["1"], runs["2"], NEWER_COMMIT)

    assert encode(first, "a").value == encode(superseded(runs_again["1"], runs_again["2"], NEWER_COMMIT), "b").value
