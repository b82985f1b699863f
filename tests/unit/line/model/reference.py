"""The line's rules once more, written from the design alone: whole logs instead of one record at a time, slow and plain.

It looks at what lies in every partition, topic after topic, and says of each record what it is in the end. There is no order of
reading here, so a fold that agrees with it cannot depend on one.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from google.protobuf.json_format import ParseDict, ParseError

from pushline.events.v1 import events_pb2
from pushline.line.ids import NAMESPACE, partition_of
from pushline.line.records import Record

Spot = tuple[str, int, int]
MESSAGES: Mapping[str, Any] = {
    "commit": events_pb2.CommitPushed,
    "trained": events_pb2.ModelTrained,
    "evaluated": events_pb2.ModelEvaluated,
    "deployed": events_pb2.ModelDeployed,
    "served": events_pb2.ModelServed,
}


@dataclass(frozen=True)
class Fact:
    """A record that can be read, and whether it is what it says it is."""

    spot: Spot
    id: str
    says: Mapping[str, Any]
    itself: bool  # its name, partition, id and run id fit
    named: bool  # its name and partition fit, so that its numbers are this model's

    def __getitem__(self, name: str) -> Any:
        return self.says[name]

    @property
    def rank(self) -> tuple[int, int]:
        return (self["generation"], self["attempt"])


@dataclass
class Known:
    """What is known of one model in the end."""

    pushes: list[Fact] = field(default_factory=list)
    runs: dict[str, Fact] = field(default_factory=dict)  # run_id → its commit record
    trained: dict[str, Fact] = field(default_factory=dict)
    verdicts: dict[tuple[str, str], Fact] = field(default_factory=dict)
    deployed: list[Fact] = field(default_factory=list)  # valid ones, closes too
    served: dict[str, Fact] = field(default_factory=dict)
    numbers: list[tuple[int, int, int]] = field(default_factory=list)  # (generation, deploy_seq, served) read anywhere

    @property
    def numbered(self) -> list[Fact]:
        return [each for each in self.deployed if each["kind"] != "close"]

    @property
    def seq(self) -> int:
        return self.numbered[-1]["deploy_seq"] if self.numbered else 0

    @property
    def went_live(self) -> list[Fact]:
        return [each for each in self.deployed if each["kind"] in ("promote", "rollback", "redeploy")]

    @property
    def live(self) -> list[Any]:
        return self.went_live[-1]["serving"] if self.went_live else []

    @property
    def live_digest(self) -> str:
        return self.went_live[-1]["digest"] if self.went_live else "none"

    @property
    def floor(self) -> int:
        return max((each["floor_generation"] for each in self.numbered), default=0)

    @property
    def on_hold(self) -> bool:
        said = [each["kind"] for each in self.deployed if each["kind"] in ("hold", "release")]
        return said[-1:] == ["hold"]

    def slot(self, run: str) -> Fact | None:
        mine = (each for each in self.deployed if each["kind"] in ("promote", "close") and each["run_id"] == run)
        return next(mine, None)

    def above_fence(self, fact: Fact) -> bool:
        promoted = [each.rank for each in self.deployed if each["kind"] == "promote"]
        return all(fact.rank > rank for rank in promoted) and fact["generation"] > self.floor

    def barred(self) -> set[str]:
        bars: set[str] = set()
        history: list[str] = []
        for each in self.went_live:
            if each["kind"] == "redeploy":
                bars -= {each["digest"]}
            if each["kind"] == "rollback":
                newest_first = list(reversed(history))
                since = newest_first[: newest_first.index(each["digest"])]
                bars |= set(since)
            history.append(each["digest"])
        return bars

    def outcome(self, run: str) -> str:
        made = self.trained.get(run)
        if made is None:
            return ""
        if made["outcome"] != "succeeded":
            return str(made["outcome"])
        slot = self.slot(run)
        return str(slot["outcome"]) if slot else ""


class Reference:
    """Judges a whole log. `verdicts` has every record's final verdict, `models` what is known."""

    def __init__(self, log: Mapping[tuple[str, int], Sequence[Record]], partitions: int) -> None:
        self.verdicts: dict[Spot, str] = {}
        self.models: defaultdict[str, Known] = defaultdict(Known)
        self.ids: set[str] = set()
        self._log, self._partitions = log, partitions
        waiting: list[Fact] = []
        for topic in ("commit", "deployed", "trained", "evaluated", "served"):
            judge = getattr(self, f"_{topic}")
            for fact in self._facts(topic):
                self._judge(fact, judge(fact, self.models[fact["model"]]) if fact.itself else "invalid")
                if fact.itself and self.verdicts[fact.spot] == "no":
                    waiting.append(fact)
        for fact in waiting:  # a cause that is nowhere is waited for; one that is there and does not fit is not
            self.verdicts[fact.spot] = "invalid" if fact["caused_by"] in self.ids else "kept"

    def _judge(self, fact: Fact, verdict: str) -> None:
        self.verdicts[fact.spot] = verdict
        if verdict == "valid":
            self.ids.add(fact.id)

    def _facts(self, topic: str) -> Iterator[Fact]:
        for (name, _), records in sorted(self._log.items()):
            if name != topic:
                continue
            parked = False
            for record in records:
                fact, verdict = read(record, self._partitions)
                if fact is None or parked:
                    self.verdicts[(topic, record.partition, record.offset)] = "parked" if parked else verdict
                    parked = parked or verdict == "newer"
                    continue
                if fact.named:
                    self._note_numbers(topic, fact)
                yield fact

    def _note_numbers(self, topic: str, fact: Fact) -> None:
        numbered = fact.says.get("deploy_seq", 0)
        shown = numbered if topic == "served" else 0
        self.models[fact["model"]].numbers.append((fact["generation"], numbered, shown))

    def _commit(self, fact: Fact, known: Known) -> str:
        newest = known.pushes[-1]["generation"] if known.pushes else 0
        if not fact["caused_by"]:
            if fact["previous"] != newest or fact["generation"] <= newest or fact["attempt"] != 1:
                return "invalid"
            known.pushes.append(fact)
        else:
            origin = [each for each in known.pushes if each.id == fact["caused_by"]]
            attempts = [run["attempt"] for run in known.runs.values() if run["generation"] == fact["generation"]]
            same = origin and (origin[0]["generation"], origin[0]["commit"]["sha"]) == (fact["generation"], fact["commit"]["sha"])
            if not same or fact["attempt"] != max(attempts) + 1:
                return "invalid"
        known.runs[fact["run_id"]] = fact
        return "valid"

    def _trained(self, fact: Fact, known: Known) -> str:
        opened = known.runs.get(fact["run_id"])
        if opened is None or opened.id != fact["caused_by"]:
            return "no"
        good = fact["outcome"] == "succeeded"
        if fact["outcome"] not in ("succeeded", "failed", "superseded") or (fact["digest"] != "") != good:
            return "invalid"
        if fact["run_id"] in known.trained or fact["commit"] != opened["commit"]:
            return "invalid"
        known.trained[fact["run_id"]] = fact
        return "valid"

    def _evaluated(self, fact: Fact, known: Known) -> str:
        made = known.trained.get(fact["run_id"])
        if made is None or made.id != fact["caused_by"]:
            return "no"
        if fact["verdict"] not in ("accepted", "rejected", "inconclusive", "failed"):
            return "invalid"
        slot = (fact["run_id"], fact["baseline_digest"])
        about_it = made["outcome"] == "succeeded" and made["digest"] == fact["digest"] and made["commit"] == fact["commit"]
        if slot in known.verdicts or not about_it:
            return "invalid"
        known.verdicts[slot] = fact
        return "valid"

    def _deployed(self, fact: Fact, known: Known) -> str:
        if fact["previous"] != known.seq:
            return "invalid"
        fits = getattr(self, f"_{fact['kind']}", lambda *_: False)(fact, known)
        if fact["kind"] != "close":
            fits = fits and fact["deploy_seq"] > known.seq and self._floor_stands(fact, known)
            fits = fits and fact["outcome"] == ("deployed" if fact["kind"] == "promote" else "")
        if fits:
            known.deployed.append(fact)
        return "valid" if fits else "invalid"

    def _floor_stands(self, fact: Fact, known: Known) -> bool:
        said = fact["floor_generation"]
        return bool(said >= known.floor if fact["kind"] == "rollback" else said == known.floor)

    def _promote(self, fact: Fact, known: Known) -> bool:
        excused = not fact["caused_by"] or (known.slot(fact["run_id"]) is None and fact["baseline_digest"] == known.live_digest)
        allowed = not known.on_hold and fact["digest"] not in known.barred() and known.above_fence(fact)
        return excused and allowed and self._one_entry(fact)

    def _close(self, fact: Fact, known: Known) -> bool:
        said = fact["outcome"] in ("rejected", "failed", "superseded") and not fact["serving"] and fact["deploy_seq"] == 0
        return said and known.slot(fact["run_id"]) is None

    def _rollback(self, fact: Fact, known: Known) -> bool:
        before = [each["digest"] for each in known.went_live]
        return fact["digest"] in before and fact["digest"] != known.live_digest and self._one_entry(fact)

    def _redeploy(self, fact: Fact, _: Known) -> bool:
        return self._one_entry(fact)

    def _hold(self, fact: Fact, known: Known) -> bool:
        return bool(fact["serving"] == known.live)

    _release = _hold

    def _one_entry(self, fact: Fact) -> bool:
        entries = [(each["run_id"], each["digest"], each["mode"]) for each in fact["serving"]]
        return bool(fact["digest"]) and entries == [(fact["run_id"], fact["digest"], "live")]

    def _served(self, fact: Fact, known: Known) -> str:
        put = [each for each in known.deployed if each.id == fact["caused_by"]]
        if not put:
            return "no"
        digests = [each["digest"] for each in put[0]["serving"]] or [""]
        if fact["deploy_seq"] != put[0]["deploy_seq"] or fact["digest"] not in digests:
            return "invalid"
        if fact.id not in self.ids:  # a report sent again is no news
            known.served[fact["replica"]] = fact
        return "valid"


@lru_cache(maxsize=20_000)
def read(record: Record, partitions: int) -> tuple[Fact | None, str]:
    """Give the fact of a record, or what it is instead: undecodable, or of a newer version."""
    headers = {name: data.decode() for name, data in record.headers if data is not None}
    version = re.fullmatch(rf"dev\.pushline\.{record.topic}\.v(\d+)", headers.get("ce_type", ""))
    if headers.get("ce_specversion") != "1.0" or version is None or record.key is None or record.value is None:
        return None, "undecodable"
    if int(version[1]) > 1:
        return None, "newer"
    says = _says(record.topic, record.value)
    if says is None or int(version[1]) != 1:
        return None, "undecodable"
    model = says["model"]
    named = record.key.decode() == headers.get("ce_subject") == model != "" and record.partition == partition_of(
        record.key, partitions
    )
    itself = named and _names_fit(record, says, headers.get("ce_id", ""))
    return Fact((record.topic, record.partition, record.offset), headers.get("ce_id", ""), says, itself, named), "read"


def _says(topic: str, value: bytes) -> Mapping[str, Any] | None:
    try:
        says = json.loads(value)
        message = ParseDict(says, MESSAGES[topic](), ignore_unknown_fields=True)
    except (ValueError, ParseError):
        return None
    owed = {each.name for each in message.DESCRIPTOR.fields if not each.has_presence or each.message_type}
    return says if isinstance(says, dict) and owed <= says.keys() else None


def _names_fit(record: Record, says: Mapping[str, Any], given: str) -> bool:
    run, sha = says["run_id"], says["commit"]["sha"]
    right = str(uuid5(NAMESPACE, f"{says['model']}/{says['generation']}/{says['attempt']}/{sha}"))
    excused = not run and says.get("kind") in ("hold", "release")
    if run != right and not excused:
        return False
    space = UUID(run) if run else NAMESPACE
    return given == str(uuid5(space, f"{record.topic}/{sha256(record.value or b'').hexdigest()}"))
