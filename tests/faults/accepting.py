"""The oracle of the intake: what was answered 202, held against the log read from 0 and against what git shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pushline.line.ledger import Ledger
from pushline.line.records import Record
from tests.faults.delivering import Told
from tests.faults.evidence import folded
from tests.faults.processes import FaultLine
from tests.waiting import until

IDLE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Verdict:
    lost: list[str] = field(default_factory=list)  # answered 202 and no valid push, or without an outcome
    extra: list[str] = field(default_factory=list)  # a second run of one push, or a run of what was never pushed
    wrong: list[str] = field(default_factory=list)  # models whose newest push is not the head
    untrue: list[str] = field(default_factory=list)  # answered 202 for what was no longer the head when the webhook came

    @property
    def sentences(self) -> list[str]:
        return [*self.lost, *self.extra, *self.wrong, *self.untrue]


def come_to_rest(line: FaultLine, pushed: Mapping[str, Sequence[str]]) -> None:
    """Wait until every head is known and every run has its outcome. Raises AssertionError."""

    def at_rest() -> bool:
        with line.seen.tail.read() as ledger:
            wrong = any(_wrong_head(ledger, model, shas) for model, shas in pushed.items())
            return not wrong and all(run.outcome for run in ledger.runs.values() if run.model in pushed)

    until(at_rest, IDLE_SECONDS, "the heads of all models and the outcome of every run")


def verdict_on(
    records: Sequence[Record],
    partitions: int,
    told: Sequence[Told],
    pushed: Mapping[str, Sequence[str]],
    moved_at: Mapping[str, float] | None = None,
) -> Verdict:
    """`pushed`: the commits of each model's branch in order; `moved_at`: when each of them came to an end as the head."""
    ledger = folded(records, partitions)
    accepted = [each for each in told if each.status == 202]
    return Verdict(
        [sentence for each in accepted if (sentence := _lost(ledger, each))],
        [sentence for model, shas in pushed.items() for sentence in _extra(ledger, model, shas)],
        [sentence for model, shas in pushed.items() if (sentence := _wrong_head(ledger, model, shas))],
        [f"{_name(each)}: answered 202, and newer was pushed before it came" for each in accepted if _is_untrue(each, moved_at)],
    )


def _lost(ledger: Ledger, each: Told) -> str:
    run = ledger.runs.get(str(each.body["run_id"]))
    if run is None or run.commit.sha != each.delivery.sha or ledger.valid(str(each.body["event_id"])) is None:
        return f"{_name(each)}: answered 202, and the log has no such run"
    return "" if run.outcome else f"{_name(each)}: answered 202, and its run has no outcome"


def _extra(ledger: Ledger, model: str, shas: Sequence[str]) -> list[str]:
    runs = Counter(run.commit.sha for run in ledger.line(model).runs)
    doubled = [f"{model} {sha[:8]}: {count} runs of one push" for sha, count in runs.items() if count > 1]
    strange = [f"{model} {sha[:8]}: a run of what was never pushed" for sha in runs.keys() - set(shas)]
    order = [shas.index(push.event.commit.sha) for push in ledger.line(model).pushes.values() if push.event.commit.sha in shas]
    return doubled + strange + ([f"{model}: recorded in another order than pushed: {order}"] if order != sorted(order) else [])


def _wrong_head(ledger: Ledger, model: str, shas: Sequence[str]) -> str:
    newest = ledger.line(model).newest_push
    known = newest.event.commit.sha if newest is not None else ""
    return "" if not shas or known == shas[-1] else f"{model}: the newest push is {known[:8]}, the head {shas[-1][:8]}"


def _is_untrue(each: Told, moved_at: Mapping[str, float] | None) -> bool:
    return moved_at is not None and moved_at.get(each.delivery.sha, each.begun) < each.begun


def _name(each: Told) -> str:
    return f"{each.delivery.model} {each.delivery.sha[:8]} by {each.delivery.forge}"
