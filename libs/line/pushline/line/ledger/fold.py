"""The ledger: one deterministic fold over the topics, the same for every reader, in whatever order the topics interleave.

No clock, no I/O. A record is judged by the rules, given what is valid in front of it; one whose cause was not read yet is kept
until it is.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from pushline.line.codec import Entry, NewerVersion, Undecodable, decode
from pushline.line.events import CommitPushed, Event, ModelDeployed, ModelEvaluated, ModelServed, ModelTrained
from pushline.line.ids import partition_of
from pushline.line.ledger.bad_rows import BadRows
from pushline.line.ledger.rules import LONGEST_LEAP, ON_ALL, ON_TOPIC, RULE_NAMES, Before, is_rerun
from pushline.line.ledger.state import Image, Judgement, ModelLine, Run
from pushline.line.letters import accepted_of
from pushline.line.records import Record
from pushline.line.topics import DEAD_LETTER_TOPICS

WAITS_FOR_CAUSE = ("trained", "evaluated", "served")
_rank = attrgetter("rank")


class Ledger:
    """The fold. `rules` names those in force: all of them, but in the test that shows what each one is for."""

    def __init__(self, partitions: int, rules: frozenset[str] = RULE_NAMES) -> None:
        self.partitions = partitions
        self.models: dict[str, ModelLine] = {}
        self.runs: dict[str, Run] = {}
        self.parked: dict[int, str] = {}  # partition → why; a newer version's record lies there, on one of its topics
        self.bad_rows = BadRows()
        self.counts: Counter[tuple[str, str]] = Counter()  # (topic, verdict)
        self.broken_rules: Counter[tuple[str, str]] = Counter()  # (topic, rule)
        self._rules = rules
        self._parked: dict[tuple[str, int], str] = {}  # where exactly: what else is on that partition is folded as ever
        self._valid: dict[str, Entry[Event]] = {}
        self._kept: defaultdict[str, list[Entry[Event]]] = defaultdict(list)  # by the cause they wait for

    def fold(self, record: Record) -> tuple[Judgement, ...]:
        """Take one record in: its own judgement first, then those of kept records that it released."""
        place = (record.topic, record.partition, record.offset)
        if record.topic in DEAD_LETTER_TOPICS:
            return self._fold_letter(record)
        if place[:2] in self._parked:
            return (self._count(Judgement(place, None, "parked", "", self._parked[place[:2]])),)
        try:
            entry = decode(record)
        except Undecodable as error:
            in_a_row = self.bad_rows.bad(place[:2], record.offset)
            return (self._count(Judgement(place, None, "undecodable", "", str(error), in_a_row)),)
        except NewerVersion as error:
            self.parked[record.partition] = self._parked[place[:2]] = str(error)
            return (self._count(Judgement(place, None, "newer", "", str(error))),)
        self.bad_rows.good(place[:2])
        return self._fold_entry(entry)

    @property
    def kept(self) -> int:
        return sum(len(waiting) for waiting in self._kept.values())

    def line(self, model: str) -> ModelLine:
        """Give what is known of a model; an empty line where nothing is."""
        found = self.models.get(model)
        return found if found is not None else ModelLine(model, partition_of(model.encode(), self.partitions))

    def valid(self, event_id: str) -> Entry[Event] | None:
        return self._valid.get(event_id)

    def image(self) -> Image:
        """Give all that is known, as plain data. Cheap: nothing in it is copied or changes later."""
        numbers = [
            (each.name, each.highest_generation, each.highest_deploy_seq, each.highest_served_seq) for each in self.models.values()
        ]
        return Image(
            partitions=self.partitions,
            valid=tuple(self._valid.values()),
            kept=tuple(entry for waiting in self._kept.values() for entry in waiting),
            numbers=tuple(numbers),
            parked=tuple((*place, why) for place, why in self._parked.items()),
            counts=tuple((*key, number) for key, number in self.counts.items()),
            broken_rules=tuple((*key, number) for key, number in self.broken_rules.items()),
            bad_rows=self.bad_rows.image(),
        )

    @classmethod
    def of(cls, image: Image) -> "Ledger":
        """Make the ledger again: what was found valid is applied in that order, and judged no more."""
        ledger = cls(image.partitions)
        for name, generation, deploy_seq, served_seq in image.numbers:
            line = ledger.models.setdefault(name, ledger.line(name))
            line.highest_generation, line.highest_deploy_seq, line.highest_served_seq = generation, deploy_seq, served_seq
        for entry in image.valid:
            _APPLY[entry.topic](ledger, entry, ledger._before(entry, None))
            ledger._valid[entry.id] = entry
        for entry in image.kept:
            ledger._kept[entry.event.caused_by].append(entry)
        for topic, partition, why in image.parked:
            ledger.parked[partition] = ledger._parked[(topic, partition)] = why
        ledger.counts.update({(topic, verdict): number for topic, verdict, number in image.counts})
        ledger.bad_rows = BadRows.of(image.bad_rows)
        ledger.broken_rules.update({(topic, rule): number for topic, rule, number in image.broken_rules})
        return ledger

    def _fold_letter(self, record: Record) -> tuple[Judgement, ...]:
        """Copies of bytes are nothing to know of; a person's mark says up to where a stage may go on."""
        accepted = accepted_of(record)
        if accepted is not None:
            self.bad_rows.accept(accepted.place, accepted.offset)
        return (self._count(Judgement((record.topic, record.partition, record.offset), None, "letter", "", "")),)

    def _fold_entry(self, entry: Entry[Event]) -> tuple[Judgement, ...]:
        broken = self._broken(ON_ALL, entry, self._before(entry, None))
        if broken is None or broken.rule not in ("key", "partition"):
            self._note_numbers(entry.event)
        if broken is not None:
            return (self._count(broken),)
        if entry.topic in WAITS_FOR_CAUSE and entry.event.caused_by not in self._valid:
            self._kept[entry.event.caused_by].append(entry)
            return (self._count(_judged(entry, "kept", "", "its cause was not read yet")),)
        return self._judge(entry)

    def _judge(self, entry: Entry[Event]) -> tuple[Judgement, ...]:
        before = self._before(entry, self._valid.get(entry.event.caused_by))
        broken = self._broken(ON_TOPIC[entry.topic], entry, before)
        if broken is not None:
            return (self._count(broken),)
        self.models.setdefault(entry.event.model, before.line)
        _APPLY[entry.topic](self, entry, before)
        self._valid.setdefault(entry.id, entry)
        released = [judgement for kept in self._kept.pop(entry.id, []) for judgement in self._judge(kept)]
        return (self._count(_judged(entry, "valid", "", "")), *released)

    def _before(self, entry: Entry[Event], cause: Entry[Event] | None) -> Before:
        return Before(self.partitions, self.line(entry.event.model), self.runs.get(entry.event.run_id), cause)

    def _broken(
        self, rules: Mapping[str, Callable[[Entry[Any], Before], str]], entry: Entry[Event], before: Before
    ) -> Judgement | None:
        for name, rule in rules.items():
            sentence = rule(entry, before) if name in self._rules else ""
            if sentence:
                self.broken_rules[(entry.topic, name)] += 1
                return _judged(entry, "invalid", name, sentence)
        return None

    def _note_numbers(self, event: Event) -> None:
        """Numbers are taken from every record read, kept and invalid ones too, so that none is used twice.

        But not one that lies too far ahead: the number after it would not be valid.
        """
        line = self.models.setdefault(event.model, self.line(event.model))
        if event.generation - line.newest_generation < LONGEST_LEAP:
            line.highest_generation = max(line.highest_generation, event.generation)
        number = event.deploy_seq if isinstance(event, ModelDeployed | ModelServed) else 0
        if number - line.deploy_seq < LONGEST_LEAP:
            line.highest_deploy_seq = max(line.highest_deploy_seq, number)
            if isinstance(event, ModelServed):
                line.highest_served_seq = max(line.highest_served_seq, number)

    def _count(self, judgement: Judgement) -> Judgement:
        self.counts[(judgement.place[0], judgement.verdict)] += 1
        return judgement

    def _apply_commit(self, entry: Entry[CommitPushed], before: Before) -> None:
        event, line = entry.event, before.line
        if not is_rerun(event):
            line.pushes[event.generation] = entry
        line.attempts[event.generation] = event.attempt
        run = Run(entry, line)
        self.runs[run.run_id] = run
        insort(line.runs, run, key=_rank)  # nearly always at the end

    def _apply_trained(self, entry: Entry[ModelTrained], before: Before) -> None:
        if before.run is not None:
            before.run.trained = entry

    def _apply_evaluated(self, entry: Entry[ModelEvaluated], before: Before) -> None:
        if before.run is not None:
            before.run.evaluated[entry.event.baseline_digest] = entry

    def _apply_deployed(self, entry: Entry[ModelDeployed], before: Before) -> None:
        event, line = entry.event, before.line
        line.deployments.append(entry)
        if event.kind in ("promote", "close"):
            line.slots.setdefault(event.run_id, entry)
        if event.kind == "close":
            return
        line.newest_deployed = entry
        line.floor_generation = event.floor_generation
        line.on_hold = event.kind == "hold" or (line.on_hold and event.kind != "release")
        if event.kind in ("promote", "rollback", "redeploy"):
            _go_live(line, event)

    def _apply_served(self, entry: Entry[ModelServed], before: Before) -> None:
        known = before.line.served.get(entry.event.replica)
        if entry.id in self._valid:
            return  # the same report sent again is no news: what came between the two is newer
        if known is None or entry.offset > known.offset:
            before.line.served[entry.event.replica] = entry


def _go_live(line: ModelLine, event: ModelDeployed) -> None:
    line.live = event.serving
    if event.kind == "promote":
        line.promoted = max(line.promoted, (event.generation, event.attempt))
    elif event.kind == "redeploy":
        line.barred.discard(event.digest)
    else:
        line.barred.update(_later_than(line.went_live, event.digest))
    line.went_live.append(event.digest)


def _later_than(went_live: list[str], target: str) -> set[str]:
    """Give every other digest that went live after the target last did."""
    last = max((index for index, digest in enumerate(went_live) if digest == target), default=-1)
    return set(went_live[last + 1 :])


def _judged(entry: Entry[Event], verdict: str, rule: str, sentence: str) -> Judgement:
    return Judgement((entry.topic, entry.partition, entry.offset), entry, verdict, rule, sentence)


_APPLY: Mapping[str, Callable[[Ledger, Entry[Any], Before], None]] = {
    "commit": Ledger._apply_commit,  # noqa: SLF001 - the table of this class's own steps
    "trained": Ledger._apply_trained,  # noqa: SLF001
    "evaluated": Ledger._apply_evaluated,  # noqa: SLF001
    "deployed": Ledger._apply_deployed,  # noqa: SLF001
    "served": Ledger._apply_served,  # noqa: SLF001
}
