"""Writers of a line. Each decides on what its own fold has read, correct ones and others, and leaves real bytes in the log.

`dice` is any number: it picks the run, the digest, the reader.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pushline.line.broker import LineError
from pushline.line.codec import decode
from pushline.line.events import CommitPushed, Event, ModelDeployed
from pushline.line.ids import run_id
from pushline.line.ledger import Ledger, ModelLine, Run
from pushline.line.records import Record
from tests.unit.line.model import making as make
from tests.unit.line.model.world import MODELS, World

T = TypeVar("T")
SHAS = ("aa", "bb", "cc")
FILES = ("m1", "m2", "m3", "m4")
REPLICAS = ("r1", "r2")


class Dice:
    """One number that answers many questions."""

    def __init__(self, number: int) -> None:
        self._number = number

    def pick(self, choices: Sequence[T]) -> T:
        self._number, index = divmod(self._number, len(choices))
        return choices[index]

    def often(self) -> bool:
        return self.pick((True, True, True, False))


def _say(world: World, dice: Dice, event: Event) -> None:
    """Append; now and then a whole event that lies about one thing, with an id that fits it."""
    world.append(event if dice.pick((True,) * 7 + (False,)) else _with_a_lie(event, dice))


def _with_a_lie(event: Event, dice: Dice) -> Event:
    name = dice.pick([name for name in _LIES if hasattr(event, name)])
    lie = replace(event, **{name: dice.pick(_LIES[name])})
    right = run_id(lie.model, lie.generation, lie.attempt, lie.commit.sha)
    return replace(lie, run_id=right) if lie.run_id and dice.often() else lie


def push(world: World, ledger: Ledger, dice: Dice) -> None:
    line = ledger.line(dice.pick(MODELS))
    _say(world, dice, _next_push(line, dice.pick(SHAS)))


def _next_push(line: ModelLine, sha: str) -> CommitPushed:
    return make.push(line.name, line.highest_generation + 1, previous=line.newest_generation, sha=sha)


def rerun(world: World, ledger: Ledger, dice: Dice) -> None:
    line = ledger.line(dice.pick(MODELS))
    if line.pushes:
        push_of_it = dice.pick(list(line.pushes.values()))
        event, attempt = push_of_it.event, line.attempts[push_of_it.event.generation] + 1
        _say(
            world,
            dice,
            make.push(line.name, event.generation, previous=0, sha=event.commit.sha, attempt=attempt, cause=push_of_it.id),
        )


def train(world: World, ledger: Ledger, dice: Dice) -> None:
    """A second try of the same run leaves other bytes; the slot takes one."""
    run = _run(ledger, dice, lambda run: run.trained is None)
    if run is not None:
        outcome = dice.pick(("succeeded", "succeeded", "succeeded", "succeeded", "failed", "superseded"))
        _say(world, dice, make.trained(run.push.event, outcome, dice.pick(FILES), dice.pick(("", "another try"))))


def judge(world: World, ledger: Ledger, dice: Dice) -> None:
    run = _run(ledger, dice, lambda run: run.trained is not None and run.trained.event.outcome == "succeeded")
    if run is not None and run.trained is not None:
        baseline = run.line.live_digest if dice.often() else dice.pick(["none", *map(make.digest, FILES)])
        verdict = dice.pick(("accepted", "accepted", "rejected", "inconclusive"))
        _say(world, dice, make.evaluated(run.trained.event, baseline, verdict, dice.pick(("", "another try"))))


def promote(world: World, ledger: Ledger, dice: Dice) -> None:
    """The deployer: a verdict against what is live now. One in four does not look at anything else."""
    careless = not dice.often()
    run = _run(ledger, dice, lambda run: run.verdict is not None or (careless and bool(run.evaluated)))
    if run is None or not (careless or _may_be_promoted(run)):
        return
    verdict = run.verdict or next(iter(run.evaluated.values()))
    put = _numbered(run.line, "promote", run.push.event, verdict.event.digest)
    _say(world, dice, replace(put, caused_by=verdict.id, actor="", baseline_digest=verdict.event.baseline_digest))


def _may_be_promoted(run: Run) -> bool:
    """What the deployer looks at before it writes."""
    line, verdict = run.line, run.verdict
    accepted = verdict is not None and verdict.event.verdict == "accepted" and not run.outcome
    return accepted and run.rank > line.fence and not line.on_hold and not line.behind_served


def promote_by_person(world: World, ledger: Ledger, dice: Dice) -> None:
    run = _run(ledger, dice, lambda run: bool(run.evaluated))
    if run is not None and run.trained is not None:
        _say(world, dice, _numbered(run.line, "promote", run.push.event, run.trained.event.digest))


def promote_untrained(world: World, ledger: Ledger, dice: Dice) -> None:
    """A writer that is not in its right mind: nothing in the partition of `deployed` forbids it."""
    run = _run(ledger, dice, lambda run: run.trained is None)
    if run is not None:
        put = _numbered(run.line, "promote", run.push.event, make.digest(dice.pick(FILES)))
        _say(world, dice, replace(put, caused_by="no verdict", baseline_digest=run.line.live_digest, actor=""))


def close(world: World, ledger: Ledger, dice: Dice) -> None:
    run = _run(ledger, dice, lambda run: not run.outcome)
    if run is not None:
        _say(world, dice, make.close(run.push.event, run.line.deploy_seq, dice.pick(("rejected", "failed", "superseded"))))


def roll_back(world: World, ledger: Ledger, dice: Dice) -> None:
    line = ledger.line(dice.pick(MODELS))
    if line.went_live:
        careless, target = not dice.often(), dice.pick(line.went_live)
        run = next(entry.event for entry in line.deployments if entry.event.digest == target)
        floor = dice.pick((line.newest_generation, 1)) if careless else max(line.newest_generation, line.floor_generation)
        put = _numbered(line, "rollback", _as_push(run), target)
        _say(world, dice, replace(put, floor_generation=floor))


def redeploy(world: World, ledger: Ledger, dice: Dice) -> None:
    run = _run(ledger, dice, lambda run: run.trained is not None and run.trained.event.outcome == "succeeded")
    if run is not None and run.trained is not None:
        _say(world, dice, _numbered(run.line, "redeploy", run.push.event, run.trained.event.digest))


def hold(world: World, ledger: Ledger, dice: Dice) -> None:
    line = ledger.line(dice.pick(MODELS))
    kind = "release" if line.on_hold else "hold"
    _say(world, dice, make.hold(kind, line.name, line.live, line.highest_deploy_seq + 1, line.deploy_seq, line.floor_generation))


def serve(world: World, ledger: Ledger, dice: Dice) -> None:
    line = ledger.line(dice.pick(MODELS))
    numbered = [entry.event for entry in line.deployments if entry.event.run_id]
    if numbered:
        said = make.served(dice.pick(numbered), dice.pick(REPLICAS), dice.pick(("s1", "s2")))
        _say(world, dice, said if dice.often() else replace(said, digest=make.digest(dice.pick(FILES))))


def serve_what_is_lost(world: World, ledger: Ledger, dice: Dice) -> None:
    """A replica knows a record that a restored backup has not."""
    line = ledger.line(dice.pick(MODELS))
    if line.newest_deployed is not None and line.newest_deployed.event.run_id:
        lost = replace(line.newest_deployed.event, deploy_seq=line.highest_deploy_seq + 1)
        _say(world, dice, make.served(lost, dice.pick(REPLICAS)))


def whole_run(world: World, ledger: Ledger, dice: Dice) -> None:
    """Everything at once, answers in front of what they answer."""
    line = ledger.line(dice.pick(MODELS))
    pushed = _next_push(line, dice.pick(SHAS))
    made = make.trained(pushed, model_file=dice.pick(FILES))
    judged = make.evaluated(made, line.live_digest)
    put = replace(_numbered(line, "promote", pushed, made.digest), caused_by=make.id_of(judged), actor="")
    for event in (make.served(put), put, judged, made, pushed):
        world.append(event)


def repeat(world: World, _: Ledger, dice: Dice) -> None:
    """The same bytes once more."""
    if written := world.all():
        world.put(dice.pick(written))


def spoil(world: World, ledger: Ledger, dice: Dice) -> None:
    """A record like one that is there, with something wrong in it."""
    written = world.all()
    if written:
        dice.pick(_SPOILERS)(world, ledger, dice, dice.pick(written))


def _other_key(world: World, _: Ledger, dice: Dice, record: Record) -> None:
    world.put(replace(record, key=dice.pick((b"", b"x", None, *(model.encode() for model in MODELS)))))


def _other_partition(world: World, _: Ledger, __: Dice, record: Record) -> None:
    world.put(replace(record, partition=1 - record.partition))


def _other_id(world: World, _: Ledger, dice: Dice, record: Record) -> None:
    headers = dict(record.headers) | {"ce_id": dice.pick((b"", b"b2b5f0c4-2a1c-5b1e-8f0e-000000000000", None))}
    world.put(replace(record, headers=tuple(headers.items())))


def _other_bytes(world: World, _: Ledger, dice: Dice, record: Record) -> None:
    cut = (record.value or b"{}")[:-1]
    world.put(replace(record, value=dice.pick((b"not JSON", b"[]", b"{}", b"\xff\xfe", cut, None, cut + b" }"))))


def _other_header(world: World, _: Ledger, dice: Dice, record: Record) -> None:
    name = dice.pick(("ce_type", "ce_specversion", "ce_subject"))
    newer = f"dev.pushline.{record.topic}.v2".encode()
    headers = dict(record.headers) | {name: dice.pick((b"", b"2.0", b"a", b"dev.pushline.commit.v0", None, newer))}
    world.put(replace(record, headers=tuple(headers.items())))


def _other_field(world: World, _: Ledger, dice: Dice, record: Record) -> None:
    known = _event_of(record)
    if known is not None:
        world.append(_with_a_lie(known, dice))


def _event_of(record: Record) -> Event | None:
    try:
        return decode(record).event
    except LineError:
        return None


_LIES: dict[str, tuple[Any, ...]] = {
    "model": (*MODELS, ""),
    "run_id": ("", "b2b5f0c4-2a1c-5b1e-8f0e-000000000000"),
    "generation": (0, 1, 2, 3, 9),
    "attempt": (0, 1, 2),
    "commit": tuple(make.commit(sha) for sha in SHAS),
    "caused_by": ("", "x"),
    "previous": (0, 1, 2, 3),
    "deploy_seq": (0, 1, 2, 3),
    "kind": ("promote", "close", "rollback", "redeploy", "hold", "release", "canary"),
    "baseline_digest": ("none", *map(make.digest, FILES)),
    "floor_generation": (0, 1, 2, 3),
    "verdict": ("accepted", "rejected", "perhaps"),
    "outcome": ("succeeded", "failed", "superseded", "deployed", "rejected", "paused"),
    "digest": ("", *map(make.digest, FILES)),
    "serving": ((),),
    "replica": REPLICAS,
}
_SPOILERS = (_other_key, _other_partition, _other_id, _other_bytes, _other_header, *[_other_field] * 5)
WRITERS: dict[str, Callable[[World, Ledger, Dice], None]] = {
    writer.__name__: writer
    for writer in (
        push,
        rerun,
        train,
        judge,
        promote,
        promote_by_person,
        promote_untrained,
        close,
        roll_back,
        redeploy,
        hold,
        serve,
        serve_what_is_lost,
        whole_run,
        repeat,
        spoil,
    )
}


def _run(ledger: Ledger, dice: Dice, fits: Callable[[Run], bool]) -> Run | None:

    fitting = [run for run in sorted(ledger.runs.values(), key=lambda run: (run.model, run.rank)) if fits(run)]
    return dice.pick(fitting) if fitting else None


def _numbered(line: ModelLine, kind: str, run: CommitPushed, digest: str) -> ModelDeployed:
    """A record with the next number, as its writer sees it."""
    put = make.deployed(kind, run, "", line.highest_deploy_seq + 1, line.deploy_seq, floor=line.floor_generation)
    return replace(put, baseline_digest=line.live_digest, serving=make.serving(run, digest), digest=digest)


def _as_push(put: ModelDeployed) -> CommitPushed:
    return make.push(put.model, put.generation, previous=0, sha=put.commit.sha, attempt=put.attempt)
