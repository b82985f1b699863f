"""What has to hold of a line whatever was done to it: ten invariants, each a function from a history to what is wrong.

A history is what was seen from outside: the log's records, the answers that predictors gave, the store's objects, what processes
held. Nothing that a service says of itself is in it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pushline.line.codec import Undecodable, decode
from pushline.line.events import CommitPushed, ModelDeployed, ModelEvaluated, ModelServed, ModelTrained
from pushline.line.ledger import RULE_NAMES, Judgement, Ledger, Run
from pushline.line.records import Record
from pushline.objects import keys

GOOD_ENDS = ("deployed", "superseded")  # a good run is done when it is live, or when something newer or a person stands before it
MORE_MEMORY, MORE_THREADS, MORE_FILES = 1.5, 1.2, 1.2
SPARE_MEMORY_KIB, SPARE_THREADS, SPARE_FILES = 48 << 10, 8, 16


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer of a predictor. `failure` where it gave none; `excused` where its process was being killed or frozen."""

    connection: str
    model: str
    deploy_seq: int = 0
    digest: str = ""
    y: tuple[float, ...] = ()
    failure: str = ""
    excused: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What one service's processes, and its folder, hold while nothing is to be done."""

    resident: int  # KiB
    threads: int
    descriptors: int
    files: int


@dataclass(frozen=True)
class History:
    records: Sequence[Record]
    partitions: int
    acknowledged: Mapping[str, str] = field(default_factory=dict)  # run id of each 202 → SHA
    good: Sequence[str] = ()  # runs of good commits
    answers: Sequence[Answered] = ()
    right: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # digest → what its model answers
    objects: Mapping[str, str] = field(default_factory=dict)  # key → SHA-256 of what lies there
    converged: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # model → replica → deploy_seq, at the end
    restarted_by_hand: Sequence[str] = ()  # services that somebody had to start although nobody had killed them
    before: Mapping[str, Held] = field(default_factory=dict)  # by service
    after: Mapping[str, Held] = field(default_factory=dict)
    orphans: Sequence[str] = ()  # processes of the line that no service of it has for a parent any more
    rules: frozenset[str] = RULE_NAMES  # of the fold; fewer show that an invariant sees a fold that is broken

    def judged(self) -> tuple[Ledger, list[Judgement]]:
        ledger, told = Ledger(self.partitions, self.rules), list[Judgement]()
        for record in self.records:
            told += ledger.fold(record)
        return ledger, told


def acknowledged_ends(history: History) -> list[str]:
    """INV1: whatever was answered 202 is in the log, with that SHA, and has an outcome or rests as held."""
    ledger, found = history.judged()[0], list[str]()
    for run_id, sha in history.acknowledged.items():
        run = ledger.runs.get(run_id)
        if run is None or run.commit.sha != sha:
            found.append(f"{sha[:10]} was answered 202 as run {run_id} and is not in the log")
        elif not _over(run):
            found.append(f"{sha[:10]} was answered 202 and is still {run.stage}")
    return found


def one_outcome(history: History) -> list[str]:
    """INV2: exactly one valid record ends a run."""
    ledger, told = history.judged()
    ends = Counter(each.entry.event.run_id for each in told if each.entry is not None and _ends_a_run(each))
    found = [f"run {run}: {count} outcomes" for run, count in ends.items() if count > 1]
    return found + [f"run {run.run_id}: no outcome" for run in ledger.runs.values() if not _over(run)]


def one_meaning(history: History) -> list[str]:
    """INV3: records of one id have one value; of a slot one record counts, whatever else was written."""
    values: dict[str, set[tuple[str, bytes, bytes]]] = defaultdict(set)
    for record in history.records:
        try:
            entry = decode(record)
        except Undecodable:
            continue
        values[entry.id].add((record.topic, record.key or b"", record.value or b""))
    found = [f"id {name} has {len(each)} values" for name, each in values.items() if len(each) > 1]
    slots: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for each in history.judged()[1]:
        if each.verdict == "valid" and each.entry is not None and (slot := _slot(each)):
            slots[slot].add(each.entry.id)
    return found + [f"slot {slot} has {len(ids)} records that count" for slot, ids in slots.items() if len(ids) > 1]


def numbers_rise(history: History) -> list[str]:
    """INV4: among the valid records of `deployed` the numbers rise, and among promotions (generation, attempt)."""
    numbers, ranks, found = Counter[str](), dict[str, tuple[int, int]](), list[str]()
    for each in history.judged()[1]:
        if each.verdict != "valid" or each.entry is None or not isinstance(event := each.entry.event, ModelDeployed):
            continue
        if event.kind == "close":
            continue
        if event.deploy_seq <= numbers[event.model]:
            found.append(f"{event.model}: deploy_seq {event.deploy_seq} after {numbers[event.model]}")
        numbers[event.model] = max(numbers[event.model], event.deploy_seq)
        rank, newest = (event.generation, event.attempt), ranks.get(event.model, (0, 0))
        if event.kind == "promote":
            if rank <= newest:
                found.append(f"{event.model}: {rank} was promoted over {newest}")
            ranks[event.model] = max(rank, newest)
    return found


def served_what_was_deployed(history: History) -> list[str]:
    """INV5: every answer names a digest that a valid record put live under that number, and whose object is those bytes."""
    live = {
        (line.name, each.event.deploy_seq): each.event.digest
        for line in history.judged()[0].models.values()
        for each in line.deployments
    }
    found = set[str]()
    for answer in history.answers:
        if answer.failure:
            continue
        if live.get((answer.model, answer.deploy_seq)) != answer.digest:
            found.add(f"{answer.model}: an answer names {answer.digest[:12]} as deploy_seq {answer.deploy_seq}")
        if history.objects.get(keys.model_file(answer.model, answer.digest, "model.h5")) != answer.digest:
            found.add(f"{answer.model}: no object with the bytes of {answer.digest[:12]}, which answered")
    return sorted(found)


def answers_hold(history: History) -> list[str]:
    """INV6: calls that were taken end well; numbers are those of the model that is named; no connection goes back."""
    newest, found = dict[tuple[str, str], int](), list[str]()
    for answer in history.answers:
        if answer.failure:
            found += [] if answer.excused else [f"{answer.connection}: {answer.failure}"]
            continue
        if answer.y != history.right.get(answer.digest, answer.y):
            found.append(f"{answer.connection}: {answer.y} is no answer of {answer.digest[:12]}")
        place = (answer.connection, answer.model)
        if answer.deploy_seq < newest.get(place, 0):
            found.append(f"{answer.connection}: deploy_seq went back from {newest[place]} to {answer.deploy_seq}")
        newest[place] = max(newest.get(place, 0), answer.deploy_seq)
    return found


def of_one_mind(history: History) -> list[str]:
    """INV7: when all is quiet, all replicas serve the newest valid record."""
    models = history.judged()[0].models
    return [
        f"{model}: {replica} serves deploy_seq {number}, and {models[model].deploy_seq} is the newest"
        for model, replicas in history.converged.items()
        for replica, number in replicas.items()
        if model not in models or number != models[model].deploy_seq
    ]


def good_ones_done(history: History) -> list[str]:
    """INV8: what is good is done, in spite of bad neighbours."""
    runs = history.judged()[0].runs
    ends = {run: (runs[run].outcome or runs[run].stage) if run in runs else "not in the log" for run in history.good}
    return [f"good run {run}: {end}" for run, end in ends.items() if end not in (*GOOD_ENDS, "held")]


def drained(history: History) -> list[str]:
    """INV9: once everything is back, open work drains by itself."""
    found = [f"run {run.run_id} is {run.stage}" for run in history.judged()[0].runs.values() if not _over(run)]
    return found + [f"the {name} had to be started by hand" for name in history.restarted_by_hand]


def nothing_grows(history: History) -> list[str]:
    """INV10: memory, threads, open files and files come back to where they were; no process outlives its service."""
    grown = [
        f"{name}: {before} became {history.after[name]}"
        for name, before in history.before.items()
        if name not in history.after or _grew(before, history.after[name])
    ]
    return grown + [f"its service is gone, and it lives: {process}" for process in history.orphans]


INVARIANTS: Mapping[str, Callable[[History], list[str]]] = {
    "INV1": acknowledged_ends,
    "INV2": one_outcome,
    "INV3": one_meaning,
    "INV4": numbers_rise,
    "INV5": served_what_was_deployed,
    "INV6": answers_hold,
    "INV7": of_one_mind,
    "INV8": good_ones_done,
    "INV9": drained,
    "INV10": nothing_grows,
}


def broken(history: History) -> dict[str, list[str]]:
    """Give the sentences of each invariant that does not hold."""
    told = {name: invariant(history) for name, invariant in INVARIANTS.items()}
    return {name: sentences for name, sentences in told.items() if sentences}


def _over(run: Run) -> bool:
    return bool(run.outcome) or run.stage == "held"


def _ends_a_run(each: Judgement) -> bool:
    if each.verdict != "valid" or each.entry is None:
        return False
    event = each.entry.event
    if isinstance(event, ModelTrained):
        return event.outcome != "succeeded"
    return isinstance(event, ModelDeployed) and (event.kind == "close" or (event.kind == "promote" and bool(event.caused_by)))


def _slot(each: Judgement) -> tuple[str, ...]:
    assert each.entry is not None
    event = each.entry.event
    if isinstance(event, CommitPushed | ModelTrained):
        return type(event).__name__, event.run_id
    if isinstance(event, ModelEvaluated):
        return "ModelEvaluated", event.run_id, event.baseline_digest
    if isinstance(event, ModelServed) or not event.caused_by:
        return ()
    return "outcome", event.run_id


def _grew(before: Held, after: Held) -> bool:
    return (
        after.resident > MORE_MEMORY * before.resident + SPARE_MEMORY_KIB
        or after.threads > MORE_THREADS * before.threads + SPARE_THREADS
        or after.descriptors > MORE_FILES * before.descriptors + SPARE_FILES
        or after.files > before.files + SPARE_FILES
    )
