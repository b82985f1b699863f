"""For every rule of the ledger the shortest log in which it alone stands between a record and a broken promise."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from pushline.line.events import CommitPushed, Event, ModelDeployed, ModelEvaluated, ModelTrained
from tests.unit.line.model import making as make
from tests.unit.line.model.world import World


class Line(NamedTuple):
    """A first run of a model, live as deploy_seq 1."""

    pushed: CommitPushed
    made: ModelTrained
    judged: ModelEvaluated
    put: ModelDeployed


def one_live(world: World, model: str = "a") -> Line:
    pushed = make.push(model, 1, previous=0)
    made = make.trained(pushed, model_file="m1")
    judged = make.evaluated(made, "none")
    put = make.deployed("promote", pushed, "m1", 1, 0, cause=make.id_of(judged))
    append(world, pushed, made, judged, put)
    return Line(pushed, made, judged, put)


def append(world: World, *events: Event) -> None:
    for event in events:
        world.append(event)


def second_push(world: World, generation: int = 2) -> CommitPushed:
    pushed = make.push("a", generation, previous=1, sha="bb")
    append(world, pushed)
    return pushed


def a_record_under_another_key(world: World) -> None:
    record = make.lay(make.push("a", 1, previous=0), 0)
    world.put(replace(record, key=b"b"))  # b's partition is a's


def a_record_on_another_partition(world: World) -> None:
    record = make.lay(make.push("a", 1, previous=0), 0)
    world.put(replace(record, partition=1 - record.partition))


def an_id_of_other_bytes(world: World) -> None:
    record = make.lay(make.push("a", 1, previous=0), 0)
    world.put(replace(record, value=(record.value or b"").replace(b"a change", b"a change!")))


def a_run_id_of_another_run(world: World) -> None:
    append(world, replace(make.push("a", 1, previous=0), generation=7))


def a_training_caused_by_another_run(world: World) -> None:
    line = one_live(world)
    other = second_push(world)
    append(world, replace(make.trained(other), caused_by=make.id_of(line.pushed)))


def served_by_another_model(world: World) -> None:
    line = one_live(world)
    stranger = make.served(replace(line.put, model="b", run_id=make.push("b", 1, previous=0).run_id))
    append(world, replace(stranger, caused_by=make.id_of(line.put)))


def a_rerun_of_nothing(world: World) -> None:
    one_live(world)
    append(world, make.push("a", 1, previous=0, attempt=2, cause="nothing"))


def a_lost_race_of_pushes(world: World) -> None:
    one_live(world)
    append(world, make.push("a", 2, previous=1, sha="bb"), make.push("a", 3, previous=1, sha="cc"))


def a_push_that_takes_a_lower_number(world: World) -> None:
    one_live(world)
    append(world, make.push("a", 5, previous=1, sha="bb"), make.push("a", 3, previous=5, sha="cc"))


def a_rerun_of_another_commit(world: World) -> None:
    line = one_live(world)
    append(world, make.push("a", 1, previous=0, sha="bb", attempt=2, cause=make.id_of(line.pushed)))


def a_lost_race_of_reruns(world: World) -> None:
    line = one_live(world)
    again = make.push("a", 1, previous=0, attempt=2, cause=make.id_of(line.pushed))
    append(world, again, replace(again, actor="Grace"))


def two_trainings_of_one_run(world: World) -> None:
    pushed = make.push("a", 1, previous=0)
    append(world, pushed, make.trained(pushed, "failed"), make.trained(pushed, "superseded"))


def a_training_that_ended_in_no_way(world: World) -> None:
    pushed = make.push("a", 1, previous=0)
    append(world, pushed, replace(make.trained(pushed, "failed"), outcome="paused"))


def a_success_without_a_model(world: World) -> None:
    pushed = make.push("a", 1, previous=0)
    append(world, pushed, replace(make.trained(pushed), digest=""))


def a_verdict_that_is_none(world: World) -> None:
    line = one_live(world)
    append(world, replace(make.evaluated(line.made, "some baseline"), verdict="perhaps"))


def a_verdict_on_another_model(world: World) -> None:
    line = one_live(world)
    append(world, replace(make.evaluated(line.made, "some baseline"), digest=make.digest("m9")))


def a_second_verdict(world: World) -> None:
    line = one_live(world)
    append(world, replace(line.judged, verdict="rejected"))


def a_rollback_decided_on_an_old_fold(world: World) -> None:
    """Two people: one redeploys while the other, who has not seen it, does."""
    line = one_live(world)
    append(world, make.deployed("redeploy", line.pushed, "m1", 2, 1), make.deployed("redeploy", line.pushed, "m1", 3, 1))


def a_deployment_that_takes_no_number(world: World) -> None:
    line = one_live(world)
    append(world, make.deployed("redeploy", line.pushed, "m1", 1, 1))


def a_close_that_takes_a_number(world: World) -> None:
    one_live(world)
    append(world, replace(make.close(second_push(world), 1), deploy_seq=2))


def a_promote_that_says_rejected(world: World) -> None:
    one_live(world)
    promote = make.deployed("promote", second_push(world), "m2", 2, 1, baseline=make.digest("m1"), cause="verdict")
    append(world, replace(promote, outcome="rejected"))


def a_kind_that_is_none(world: World) -> None:
    line = one_live(world)
    append(world, make.deployed("canary", line.pushed, "m1", 2, 1))


def a_floor_that_sinks(world: World) -> None:
    line = one_live(world)
    redeploy = make.deployed("redeploy", line.pushed, "m2", 2, 1)
    rollback = make.deployed("rollback", line.pushed, "m1", 3, 2, floor=4)
    append(world, redeploy, rollback, make.deployed("redeploy", line.pushed, "m1", 4, 3, floor=0))


def a_rollback_that_lowers_the_floor(world: World) -> None:
    line = one_live(world)
    steps = [
        make.deployed("redeploy", line.pushed, "m2", 2, 1),
        make.deployed("rollback", line.pushed, "m1", 3, 2, floor=4),
        make.deployed("rollback", line.pushed, "m2", 4, 3, floor=2),
    ]
    append(world, *steps)


def two_closes(world: World) -> None:
    one_live(world)
    pushed = second_push(world)
    append(world, make.close(pushed, 1, "rejected"), make.close(pushed, 1, "superseded"))


def a_promote_of_a_closed_run(world: World) -> None:
    one_live(world)
    pushed = second_push(world)
    promote = make.deployed("promote", pushed, "m2", 2, 1, baseline=make.digest("m1"), cause="verdict")
    append(world, make.close(pushed, 1), promote)


def a_promote_judged_against_another_champion(world: World) -> None:
    one_live(world)
    append(world, make.deployed("promote", second_push(world), "m2", 2, 1, baseline="none", cause="verdict"))


def an_older_commit_that_finishes_later(world: World) -> None:
    slow, fast = make.push("a", 1, previous=0), make.push("a", 2, previous=1, sha="bb")
    first = make.deployed("promote", fast, "m2", 1, 0, cause="verdict")
    second = make.deployed("promote", slow, "m1", 2, 1, baseline=make.digest("m2"), cause="verdict")
    append(world, slow, fast, first, second)


def a_push_from_before_a_rollback(world: World) -> None:
    line = one_live(world)
    other = second_push(world, generation=3)
    steps = [
        make.deployed("redeploy", line.pushed, "m2", 2, 1),
        make.deployed("rollback", line.pushed, "m1", 3, 2, floor=3),
        make.deployed("promote", other, "m3", 4, 3, baseline=make.digest("m1"), floor=3, cause="verdict"),
    ]
    append(world, *steps)


def a_promote_while_on_hold(world: World) -> None:
    line = one_live(world)
    held = make.hold("hold", "a", line.put.serving, 2, 1)
    promote = make.deployed("promote", second_push(world), "m2", 3, 2, baseline=make.digest("m1"), cause="verdict")
    append(world, held, promote)


def a_promote_of_a_barred_digest(world: World) -> None:
    """A later run trains to the very bytes that a rollback sent away."""
    line = one_live(world)
    steps = [
        make.deployed("redeploy", line.pushed, "m2", 2, 1),
        make.deployed("rollback", line.pushed, "m1", 3, 2, floor=1),
        make.deployed("promote", second_push(world), "m2", 4, 3, baseline=make.digest("m1"), floor=1, cause="verdict"),
    ]
    append(world, *steps)


def a_promote_that_serves_another_model(world: World) -> None:
    one_live(world)
    promote = make.deployed("promote", second_push(world), "m2", 2, 1, baseline=make.digest("m1"), cause="verdict")
    append(world, replace(promote, serving=make.serving(second_push(world), make.digest("m9"))))


def a_hold_that_changes_the_list(world: World) -> None:
    one_live(world)
    append(world, make.hold("hold", "a", (), 2, 1))


def a_rollback_to_what_is_live(world: World) -> None:
    line = one_live(world)
    append(world, make.deployed("rollback", line.pushed, "m1", 2, 1, floor=1))


def a_rollback_to_what_never_was(world: World) -> None:
    line = one_live(world)
    append(world, make.deployed("rollback", line.pushed, "m9", 2, 1, floor=1))


def served_what_was_not_deployed(world: World) -> None:
    line = one_live(world)
    append(world, replace(make.served(line.put), digest=make.digest("m9")))


class Needed(NamedTuple):
    scenario: Callable[[World], None]
    breaks: str  # the promise


NEEDED: Mapping[str, tuple[Needed, ...]] = {
    "key": (Needed(a_record_under_another_key, "a record is its models"),),
    "partition": (Needed(a_record_on_another_partition, "a record is its models"),),
    "event_id": (Needed(an_id_of_other_bytes, "names fit what they name"),),
    "run_id": (Needed(a_run_id_of_another_run, "names fit what they name"),),
    "cause_of_run": (Needed(a_training_caused_by_another_run, "every answer has its cause"),),
    "cause_of_served": (Needed(served_by_another_model, "every answer has its cause"),),
    "cause_of_rerun": (Needed(a_rerun_of_nothing, "every answer has its cause"),),
    "push_previous": (Needed(a_lost_race_of_pushes, "a push follows the newest"),),
    "push_number": (Needed(a_push_that_takes_a_lower_number, "generations rise"),),
    "rerun_of_push": (Needed(a_rerun_of_another_commit, "a rerun repeats its push"),),
    "rerun_attempt": (Needed(a_lost_race_of_reruns, "attempts count up"),),
    "trained_slot": (
        Needed(two_trainings_of_one_run, "one training a run"),
        Needed(two_trainings_of_one_run, "an outcome never changes"),
    ),
    "trained_outcome": (
        Needed(a_training_that_ended_in_no_way, "a training ends in one of three ways"),
        Needed(a_success_without_a_model, "a training ends in one of three ways"),
    ),
    "evaluated_verdict": (Needed(a_verdict_that_is_none, "a verdict is one of four"),),
    "evaluated_digest": (Needed(a_verdict_on_another_model, "a verdict is about what was trained"),),
    "evaluated_slot": (Needed(a_second_verdict, "one verdict a baseline"),),
    "deploy_previous": (Needed(a_rollback_decided_on_an_old_fold, "a deployment follows the newest"),),
    "deploy_number": (
        Needed(a_deployment_that_takes_no_number, "deploy numbers rise"),
        Needed(a_close_that_takes_a_number, "deploy numbers rise"),
    ),
    "deploy_kind": (
        Needed(a_promote_that_says_rejected, "kinds and outcomes go together"),
        Needed(a_kind_that_is_none, "kinds and outcomes go together"),
    ),
    "floor": (
        Needed(a_floor_that_sinks, "a floor never sinks"),
        Needed(a_rollback_that_lowers_the_floor, "a floor never sinks"),
    ),
    "close_slot": (Needed(two_closes, "no run ends twice"),),
    "promote_slot": (Needed(a_promote_of_a_closed_run, "no ended run goes live by itself"),),
    "promote_baseline": (Needed(a_promote_judged_against_another_champion, "judged against what is live"),),
    "promote_fence": (
        Needed(an_older_commit_that_finishes_later, "older never over newer"),
        Needed(a_push_from_before_a_rollback, "older never over newer"),
    ),
    "promote_hold": (Needed(a_promote_while_on_hold, "hold holds"),),
    "promote_bar": (Needed(a_promote_of_a_barred_digest, "a barred digest stays away"),),
    "serving_list": (
        Needed(a_promote_that_serves_another_model, "what serves is what was deployed"),
        Needed(a_hold_that_changes_the_list, "what serves is what was deployed"),
    ),
    "rollback_target": (
        Needed(a_rollback_to_what_is_live, "a rollback goes back"),
        Needed(a_rollback_to_what_never_was, "a rollback goes back"),
    ),
    "served_names": (Needed(served_what_was_not_deployed, "served was deployed"),),
}
