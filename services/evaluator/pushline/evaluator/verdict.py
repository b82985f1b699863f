"""What to judge next, and what the gates add up to. Pure: no file, no broker, no model is touched here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pushline.evaluator.judged import CANNOT_TELL, Judged
from pushline.line.codec import Entry
from pushline.line.events import Commit, ModelTrained, Serving
from pushline.line.ledger import Ledger, ModelLine, Run
from pushline.line.stage import Decision

MOST_COMMITS = 50  # that a report names


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One piece of work: this trained run, against that live model (or none)."""

    trained: Entry[ModelTrained]
    baseline: str
    champion: Serving | None
    commits_between: tuple[Commit, ...] = ()  # pushed after the live model's, up to this one; the newest of them, oldest first
    more_commits: int = 0  # in front of these

    @property
    def key(self) -> str:
        return f"{self.trained.event.run_id}/{self.baseline}"


def next_evaluation(ledger: Ledger, owned: frozenset[int], running: Mapping[str, Evaluation]) -> Decision[Evaluation]:
    """Say which evaluations to start, in order, and which running ones are for nothing.

    Newest first within a model, and models take turns. Work whose partition went to another replica runs on: the slot decides.
    """
    wanted = {line.name: list(open_evaluations(line)) for line in ledger.models.values()}
    start = [
        (rank, name, work)
        for name, works in sorted(wanted.items())
        if ledger.models[name].partition in owned
        for rank, work in enumerate(works)
        if work.key not in running
    ]
    useful = {work.key for works in wanted.values() for work in works}
    ordered = tuple(work for _, _, work in sorted(start, key=lambda item: item[:2]))
    return Decision(start=ordered, cancel=tuple(sorted(key for key in running if key not in useful)))


def open_evaluations(line: ModelLine) -> Iterator[Evaluation]:
    """Give what is open for a model, newest run first. A run that can no longer go live is the deployer's to close."""
    champion = next((serving for serving in line.live if serving.digest == line.live_digest), None)
    for run in sorted(line.runs, key=_age, reverse=True):
        if run.trained is not None and _is_open(line, run, run.trained.event):
            yield evaluation_of(line, run.trained, line.live_digest, champion)


def evaluation_of(line: ModelLine, trained: Entry[ModelTrained], baseline: str, champion: Serving | None) -> Evaluation:
    if champion is None:
        return Evaluation(trained, baseline, None)
    between = [
        push.event.commit
        for generation, push in line.pushes.items()
        if champion.generation < generation <= trained.event.generation
    ]
    return Evaluation(trained, baseline, champion, tuple(between[-MOST_COMMITS:]), max(0, len(between) - MOST_COMMITS))


def _is_open(line: ModelLine, run: Run, trained: ModelTrained) -> bool:
    return (
        trained.outcome == "succeeded"
        and not run.outcome
        and line.live_digest not in run.evaluated
        and _age(run) > line.fence
        and trained.digest not in line.barred
    )


def _age(run: Run) -> tuple[int, int]:
    return run.generation, run.attempt


@dataclass(frozen=True, slots=True)
class Verdict:
    verdict: str  # accepted | rejected | inconclusive | failed
    reason: str
    sentence: str


class NotJudgeable(Exception):
    """The run itself cannot be measured: a refused program, a broken set. An outcome, with its reason; never an incident."""

    def __init__(self, reason: str, sentence: str, verdict: str = "rejected", *, detail: str = "") -> None:
        """`detail` is the sentence without what it is about, where another one is put in front."""
        super().__init__(sentence)
        self.detail = detail or sentence
        self.verdict = Verdict(verdict, reason, sentence)


OPEN = ("champion_not_comparable", CANNOT_TELL)  # reasons that say nothing against the model, and nothing for it
_BROKEN = ("unknown_gate", "gate_without_number", "gate_not_finite", "no_slices", "empty_slice", "not_finite")


def conclude(judged: Sequence[Judged], on_what: str) -> Verdict:
    """Add the gates up. `on_what` says on which set they were measured.

    | gates                                              | verdict                                              |
    |----------------------------------------------------|------------------------------------------------------|
    | none was judged                                    | rejected (no_gate)                                   |
    | one cannot be judged, is unknown or has no number  | rejected, for that reason before any other           |
    | one is refused by what was measured                | rejected                                             |
    | one is open, none is refused                       | inconclusive: closed, but a person may put it live   |
    | all passed                                         | accepted                                             |

    What keeps a run from being judged at all never comes here: NotJudgeable has its verdict, `failed` where the run's own records
    are broken, else `rejected`.
    """
    if not judged:
        return Verdict("rejected", "no_gate", f"no gate was applied {on_what}")
    refused = sorted((gate for gate in judged if not gate.result.passed), key=_severity)
    if not refused:
        return Verdict("accepted", "", f"{_first_sentence(judged)}; {_count(judged)} passed {on_what}")
    first, more = refused[0], len(refused) - 1
    kind = "inconclusive" if first.reason in OPEN else "rejected"
    rest = f"; {more} more {'gate' if more == 1 else 'gates'} {'open' if first.reason in OPEN else 'refused'}" if more else ""
    return Verdict(kind, first.reason, f"{first.result.sentence}{rest} {on_what}")


def _severity(gate: Judged) -> int:
    if gate.reason in _BROKEN:
        return _BROKEN.index(gate.reason)
    return len(_BROKEN) + 1 + OPEN.index(gate.reason) if gate.reason in OPEN else len(_BROKEN)


def _first_sentence(judged: Sequence[Judged]) -> str:
    return next((gate for gate in judged if gate.result.champion is not None), judged[0]).result.sentence


def _count(judged: Sequence[Judged]) -> str:
    return "the only gate" if len(judged) == 1 else f"all {len(judged)} gates"
