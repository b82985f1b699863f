"""What a line promises, checked on the records that a fold held for valid; nothing here knows the rules that make it so."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise
from uuid import UUID, uuid5

from pushline.line.codec import Entry
from pushline.line.events import CommitPushed, Event, ModelDeployed, ModelEvaluated, ModelServed, ModelTrained
from pushline.line.ids import NAMESPACE, partition_of
from tests.unit.line.model.making import PARTITIONS
from tests.unit.line.model.world import OUTCOMES, LedgerReader

LIVE_KINDS = ("promote", "rollback", "redeploy")


class Valid:
    """The valid records of one model, each kind in log order."""

    def __init__(self, entries: Sequence[Entry[Event]], model: str) -> None:
        mine = [entry for entry in entries if entry.event.model == model]
        self.entries = mine
        self.by_id = {entry.id: entry.event for entry in entries}
        self.commits = [each.event for each in mine if isinstance(each.event, CommitPushed)]
        self.pushes = [each for each in self.commits if not each.caused_by]
        self.trained = [each.event for each in mine if isinstance(each.event, ModelTrained)]
        self.evaluated = [each.event for each in mine if isinstance(each.event, ModelEvaluated)]
        self.deployed = [each.event for each in mine if isinstance(each.event, ModelDeployed)]
        self.served = [each.event for each in mine if isinstance(each.event, ModelServed)]
        self.numbered = [each for each in self.deployed if each.kind != "close"]

    def promotes(self) -> Iterator[tuple[ModelDeployed, list[ModelDeployed]]]:
        """Give each promote with all deployed records in front of it."""
        yield from ((each, self.deployed[:index]) for index, each in enumerate(self.deployed) if each.kind == "promote")


def _a_record_is_its_models(valid: Valid) -> bool:
    return all(
        entry.key.decode() == entry.subject == entry.event.model and entry.partition == partition_of(entry.key, PARTITIONS)
        for entry in valid.entries
    )


def _names_fit_what_they_name(valid: Valid) -> bool:
    return all(_id_fits(entry) and _run_fits(entry.event) for entry in valid.entries)


def _id_fits(entry: Entry[Event]) -> bool:
    space = UUID(entry.event.run_id) if entry.event.run_id else NAMESPACE
    return entry.id == str(uuid5(space, f"{entry.topic}/{sha256(entry.value).hexdigest()}"))


def _run_fits(event: Event) -> bool:
    right = str(uuid5(NAMESPACE, f"{event.model}/{event.generation}/{event.attempt}/{event.commit.sha}"))
    return event.run_id == right or (not event.run_id and isinstance(event, ModelDeployed) and event.kind in ("hold", "release"))


def _every_answer_has_its_cause(valid: Valid) -> bool:
    answers: list[Event] = [*valid.trained, *valid.evaluated, *valid.served, *(each for each in valid.commits if each.caused_by)]
    return all(_causes(valid.by_id.get(answer.caused_by), answer) for answer in answers)


def _causes(cause: Event | None, answer: Event) -> bool:
    wanted = {ModelTrained: CommitPushed, ModelEvaluated: ModelTrained, ModelServed: ModelDeployed, CommitPushed: CommitPushed}
    if cause is None or not isinstance(cause, wanted[type(answer)]) or cause.model != answer.model:
        return False
    if isinstance(answer, CommitPushed):
        return cause.generation == answer.generation
    return isinstance(answer, ModelServed) or cause.run_id == answer.run_id


def _a_push_follows_the_newest(valid: Valid) -> bool:
    return [each.previous for each in valid.pushes] == [0, *(each.generation for each in valid.pushes)][: len(valid.pushes)]


def _generations_rise(valid: Valid) -> bool:
    generations = [each.generation for each in valid.pushes]
    return _strictly_rising([0, *generations]) and all(each.attempt == 1 for each in valid.pushes)


def _a_rerun_repeats_its_push(valid: Valid) -> bool:
    shas = {each.generation: each.commit.sha for each in valid.pushes}
    return all(shas.get(each.generation) == each.commit.sha for each in valid.commits)


def _attempts_count_up(valid: Valid) -> bool:
    seen: Counter[int] = Counter()
    for each in valid.commits:
        seen[each.generation] += 1
        if each.attempt != seen[each.generation]:
            return False
    return True


def _one_training_a_run(valid: Valid) -> bool:
    return _no_repeats([each.run_id for each in valid.trained])


def _a_training_ends_in_one_of_three_ways(valid: Valid) -> bool:
    ways = {"succeeded": True, "failed": False, "superseded": False}
    return all(ways.get(each.outcome) is bool(each.digest) for each in valid.trained)


def _a_verdict_is_one_of_four(valid: Valid) -> bool:
    return all(each.verdict in {"accepted", "rejected", "inconclusive", "failed"} for each in valid.evaluated)


def _one_verdict_a_baseline(valid: Valid) -> bool:
    return _no_repeats([(each.run_id, each.baseline_digest) for each in valid.evaluated])


def _a_verdict_is_about_what_was_trained(valid: Valid) -> bool:
    made = {each.run_id: each.digest for each in valid.trained if each.outcome == "succeeded"}
    return all(made.get(each.run_id) == each.digest for each in valid.evaluated)


def _a_deployment_follows_the_newest(valid: Valid) -> bool:
    now = 0
    for each in valid.deployed:
        if each.previous != now:
            return False
        now = now if each.kind == "close" else each.deploy_seq
    return True


def _deploy_numbers_rise(valid: Valid) -> bool:
    return _strictly_rising([0, *(each.deploy_seq for each in valid.numbered)]) and all(
        each.deploy_seq == 0 for each in valid.deployed if each.kind == "close"
    )


def _kinds_and_outcomes_go_together(valid: Valid) -> bool:
    ends = {"promote": OUTCOMES[:1], "close": OUTCOMES[1:]}
    known = (*LIVE_KINDS, "close", "hold", "release")
    return all(each.kind in known and each.outcome in ends.get(each.kind, ("",)) for each in valid.deployed)


def _a_floor_never_sinks(valid: Valid) -> bool:
    floors = [0, *(each.floor_generation for each in valid.numbered)]
    kept = all(
        now == before or each.kind == "rollback" for each, before, now in zip(valid.numbered, floors, floors[1:], strict=False)
    )
    return kept and floors == sorted(floors)


def _no_run_ends_twice(valid: Valid) -> bool:
    """A run has one slot. A person's promote changes what is live, no outcome."""
    ends = [each.run_id for each in valid.deployed if each.kind == "close" or (each.kind == "promote" and each.caused_by)]
    return _no_repeats(ends)


def _no_ended_run_goes_live_by_itself(valid: Valid) -> bool:
    return not any(
        each.caused_by and any(other.run_id == each.run_id and other.kind in ("close", "promote") for other in front)
        for each, front in valid.promotes()
    )


def _older_never_over_newer(valid: Valid) -> bool:
    for each, front in valid.promotes():
        rank = (each.generation, each.attempt)
        newer = [other for other in front if other.kind == "promote" and (other.generation, other.attempt) >= rank]
        if newer or any(other.kind == "rollback" and other.floor_generation >= each.generation for other in front):
            return False
    return True


def _judged_against_what_is_live(valid: Valid) -> bool:
    return all(not each.caused_by or each.baseline_digest == _live(front) for each, front in valid.promotes())


def _hold_holds(valid: Valid) -> bool:
    return all(
        [other.kind for other in front if other.kind in ("hold", "release")][-1:] != ["hold"] for _, front in valid.promotes()
    )


def _a_barred_digest_stays_away(valid: Valid) -> bool:
    return all(each.digest not in _barred(front) for each, front in valid.promotes())


def _barred(front: Sequence[ModelDeployed]) -> set[str]:
    barred: set[str] = set()
    live = [each for each in front if each.kind in LIVE_KINDS]
    for index, each in enumerate(live):
        if each.kind == "redeploy":
            barred.discard(each.digest)
        if each.kind == "rollback":
            for other in reversed(live[:index]):
                if other.digest == each.digest:
                    break
                barred.add(other.digest)
    return barred


def _what_serves_is_what_was_deployed(valid: Valid) -> bool:
    now: tuple[tuple[str, str], ...] = ()
    for each in valid.deployed:
        said = tuple((one.run_id, one.digest) for one in each.serving)
        if each.kind in LIVE_KINDS and said != ((each.run_id, each.digest),):
            return False
        if each.kind not in LIVE_KINDS and said != (() if each.kind == "close" else now):
            return False
        now = said if each.kind in LIVE_KINDS else now
    return True


def _a_rollback_goes_back(valid: Valid) -> bool:
    for index, each in enumerate(valid.deployed):
        were = [other.digest for other in valid.deployed[:index] if other.kind in LIVE_KINDS]
        if each.kind == "rollback" and (each.digest not in were or each.digest == were[-1]):
            return False
    return True


def _served_was_deployed(valid: Valid) -> bool:
    put = {(each.deploy_seq, one.digest) for each in valid.numbered for one in each.serving}
    put |= {(each.deploy_seq, "") for each in valid.deployed if not each.serving}
    return all((each.deploy_seq, each.digest) in put for each in valid.served)


def _live(front: Sequence[ModelDeployed]) -> str:
    return next((each.digest for each in reversed(front) if each.kind in LIVE_KINDS), "none")


def _no_repeats(names: Sequence[object]) -> bool:
    return len(names) == len(set(names))


def _strictly_rising(numbers: Sequence[int]) -> bool:
    return all(low < high for low, high in pairwise(numbers))


PROMISES: Mapping[str, Callable[[Valid], bool]] = {
    check.__name__.strip("_").replace("_", " "): check
    for check in (
        _a_record_is_its_models,
        _names_fit_what_they_name,
        _every_answer_has_its_cause,
        _a_push_follows_the_newest,
        _generations_rise,
        _a_rerun_repeats_its_push,
        _attempts_count_up,
        _one_training_a_run,
        _a_training_ends_in_one_of_three_ways,
        _a_verdict_is_one_of_four,
        _one_verdict_a_baseline,
        _a_verdict_is_about_what_was_trained,
        _a_deployment_follows_the_newest,
        _deploy_numbers_rise,
        _kinds_and_outcomes_go_together,
        _a_floor_never_sinks,
        _no_run_ends_twice,
        _no_ended_run_goes_live_by_itself,
        _older_never_over_newer,
        _judged_against_what_is_live,
        _hold_holds,
        _a_barred_digest_stays_away,
        _what_serves_is_what_was_deployed,
        _a_rollback_goes_back,
        _served_was_deployed,
    )
}
NO_CHANGE_OF_MIND = "an outcome never changes"


def broken_promises(reader: LedgerReader) -> list[str]:
    """Name the promises that what this reader holds for valid does not keep."""
    entries = [
        judgement.entry
        for _, judgement in sorted(reader.judged.items())
        if judgement.verdict == "valid" and judgement.entry is not None
    ]
    kept = {model: Valid(entries, model) for model in {entry.event.model for entry in entries}}
    broken = [name for name, keeps in PROMISES.items() if not all(keeps(valid) for valid in kept.values())]
    if any(said not in ("", *OUTCOMES) for said in reader.outcomes.values()):
        broken.append("an outcome is one of four")
    return [*broken, *([NO_CHANGE_OF_MIND] if reader.changed_its_mind else [])]
