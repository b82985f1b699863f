"""What of the store is needed, and by whom; what is not, and why. Pure: the ledger and a listing in, one sentence an object out.

Kept: whatever the live model, the last deployments, open runs, inconclusive ones that a person may still promote, and the newest
runs need: files, manifests, evaluation sets, reports, tries, and the files of the models that they were judged against. What the
line did not make, what is young, and all of a model whose log seems older than its objects is left alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pushline.cli.targets import serving_of, was_live
from pushline.line.events import NOTHING_LIVE, Serving
from pushline.line.ledger import Ledger, ModelLine, Run
from pushline.objects import keys
from pushline.objects.manifest import Manifest
from pushline.objects.store import Listed

_SET = re.compile(r"([0-9a-f]{64})\.npz")
PREFIXES = ("models/", "runs/", "datasets/")
YOUNG, FOREIGN, NOT_OURS = "younger than the grace time", "of no model in this log", "not made by the line"


@dataclass(frozen=True, slots=True)
class Rules:
    keep: int  # different digests that went live, newest first
    keep_runs: int  # newest runs of a model
    grace: timedelta
    unknown_runs: bool = False  # runs that the log does not know go too


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one object."""

    object: Listed
    model: str
    garbage: bool
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    fates: tuple[Fate, ...]
    left_alone: dict[str, str]  # model → why nothing of it is removed

    @property
    def garbage(self) -> tuple[Fate, ...]:
        return tuple(fate for fate in self.fates if fate.garbage)


Manifests = Mapping[str, Manifest]  # by key; those that can be read


def decide(ledger: Ledger, objects: Sequence[Listed], manifests: Manifests, rules: Rules, now: datetime) -> Decision:
    """`objects` were listed before the fold was read, so that whatever began a run is in it."""
    lines = {name: line for name, line in ledger.models.items() if line.runs}
    alone = dict(_left_alone(ledger, lines, objects, rules, now))
    needs = {name: _needs(line, manifests, rules) for name, line in lines.items() if name not in alone}
    fates = []
    for each in objects:
        model = _model_of(each.key)
        if model in needs:
            garbage, why = needs[model].judge(each.key)
            garbage, why = (False, YOUNG) if garbage and now - each.modified < rules.grace else (garbage, why)
        else:
            garbage, why = False, alone.get(model, FOREIGN if model else NOT_OURS)
        fates.append(Fate(each, model, garbage, why))
    return Decision(tuple(fates), alone)


def _model_of(key: str) -> str:
    """Empty for what is under no prefix of the line."""
    kind, _, rest = key.partition("/")
    return rest.partition("/")[0] if f"{kind}/" in PREFIXES else ""


def _run_of(key: str) -> str:
    return key.split("/")[2] if key.startswith("runs/") else ""


def _left_alone(
    ledger: Ledger, lines: Mapping[str, ModelLine], objects: Iterable[Listed], rules: Rules, now: datetime
) -> Iterator[tuple[str, str]]:
    """A log that is behind its objects cannot say what is needed."""
    unknown = {
        _model_of(each.key)
        for each in objects
        if _run_of(each.key) and _run_of(each.key) not in ledger.runs and now - each.modified >= rules.grace
    }
    for name, line in lines.items():
        if line.partition in ledger.parked:
            yield name, f"its partition is parked: {ledger.parked[line.partition]}"
        elif line.behind_served:
            yield name, "a replica serves a deploy_seq that the log does not know: an older log was restored"
        elif name in unknown and not rules.unknown_runs:
            yield name, "the store has runs of it that the log does not know: an older log, or another line's (--unknown-runs)"


@dataclass
class _Needs:
    """What is needed of one model."""

    line: ModelLine
    runs: dict[str, str] = field(default_factory=dict)  # run id → why it is kept
    objects: dict[str, str] = field(default_factory=dict)  # key → who needs it
    own_sets: set[str] = field(default_factory=set)  # evaluation sets that trainings made: digests
    known: dict[str, Run] = field(default_factory=dict)  # by run id

    def judge(self, key: str) -> tuple[bool, str]:
        """Say whether it is garbage, and why."""
        if key in self.objects:
            return False, self.objects[key]
        if key.startswith("runs/"):
            return self._judge_of_run(key)
        if key.startswith("models/"):
            return True, "no kept run or deployment needs it"
        named = _SET.fullmatch(key.rpartition("/")[2])
        ours = named is not None and named[1] in self.own_sets and key == keys.dataset(self.line.name, named[1])
        return (True, "no kept run is judged by it") if ours else (False, NOT_OURS)

    def _judge_of_run(self, key: str) -> tuple[bool, str]:
        run = self.known.get(_run_of(key))
        if run is None:
            return True, "its run is not in the log"
        if run.run_id not in self.runs:
            return True, f"its run is {run.outcome}, and not among those kept"
        if _is_left_over(run, key):
            return True, "left over of a repeat that no record names"
        return False, self.runs[run.run_id]


def _needs(line: ModelLine, manifests: Manifests, rules: Rules) -> _Needs:
    kept = dict(_kept_runs(line, rules))
    needs = _Needs(line, kept, own_sets=_own_sets(line, manifests), known={run.run_id: run for run in line.runs})
    for run in line.runs:
        if run.run_id in kept:
            needs.objects.update(dict.fromkeys(_objects_of(run, manifests), kept[run.run_id]))
    for serving, why in _kept_servings(line, rules, kept):
        for key in _files_of(line.name, serving):
            needs.objects.setdefault(key, why)
    return needs


def _own_sets(line: ModelLine, manifests: Manifests) -> set[str]:
    """Give the digests of evaluation sets that trainings put where they lie, and nobody else."""
    own, theirs = set[str](), set[str]()
    for key, manifest in manifests.items():
        if _model_of(key) == line.name and manifest.dataset is not None:
            its_own_place = keys.dataset(line.name, manifest.dataset.sha256)
            named_there = manifest.dataset.origin == "store" and f"/{its_own_place}" in manifest.dataset.taken_from
            (theirs if named_there else own).add(manifest.dataset.sha256)
    return own - theirs


def _kept_servings(line: ModelLine, rules: Rules, kept: Mapping[str, str]) -> Iterator[tuple[Serving, str]]:
    for serving in (*line.live, *_last_live(line, rules.keep)):
        yield serving, kept[serving.run_id]
    for serving in _baselines(line, kept):
        yield serving, "a kept run was judged against it"


def _kept_runs(line: ModelLine, rules: Rules) -> Iterator[tuple[str, str]]:
    """The last reason given for a run is the one that is told."""
    for run in line.runs[-rules.keep_runs :] if rules.keep_runs else ():
        yield run.run_id, f"one of the newest {rules.keep_runs} runs"
    for run in line.runs:
        if any(entry.event.verdict == "inconclusive" for entry in run.evaluated.values()) and run.rank > line.fence:
            yield run.run_id, "inconclusive: a person may promote it"
    for serving in _last_live(line, rules.keep):
        yield serving.run_id, f"one of the last {rules.keep} that went live"
    for run in line.runs:
        if not run.outcome:
            yield run.run_id, "open"
    for serving in line.live:
        yield serving.run_id, "live"


def _last_live(line: ModelLine, count: int) -> Iterator[Serving]:
    seen: set[str] = set()
    for serving in was_live(line):
        if serving.digest not in seen and len(seen) == count:
            return
        seen.add(serving.digest)
        yield serving


def _objects_of(run: Run, manifests: Manifests) -> Iterator[str]:
    """Everything outside of its own prefix that a run needs, and its manifest. Before its record is written, its manifests tell."""
    prefix = keys.manifests(run.model, run.run_id)
    if run.trained is None:
        named = [key for key in manifests if key.startswith(prefix)]
    else:
        named = [keys.manifest(run.model, run.run_id, run.trained.event.manifest_sha256)]
        yield from (keys.model_file(run.model, file.sha256, file.name) for file in run.trained.event.files)
    for entry in run.evaluated.values():
        if entry.event.dataset_sha256:
            yield keys.dataset(run.model, entry.event.dataset_sha256)
        yield from _files_of(run.model, serving_of(run, entry.event))
    for key in named:
        yield key
        manifest = manifests.get(key)
        if manifest is not None:
            yield from (keys.model_file(run.model, file.sha256, file.name) for file in manifest.files)
            if manifest.dataset is not None:
                yield keys.dataset(run.model, manifest.dataset.sha256)


def _baselines(line: ModelLine, kept: Mapping[str, str]) -> Iterator[Serving]:
    """The models that kept runs were judged against: without them a verdict cannot be made again."""
    wanted = {baseline for run in line.runs if run.run_id in kept for baseline in run.evaluated} - {NOTHING_LIVE}
    for serving in was_live(line):
        if serving.digest in wanted:
            yield serving


def _files_of(model: str, serving: Serving) -> Iterator[str]:
    yield keys.manifest(model, serving.run_id, serving.manifest_sha256)
    yield from (keys.model_file(model, file.sha256, file.name) for file in serving.files)


def _is_left_over(run: Run, key: str) -> bool:
    """A second manifest or evaluation that no record names; while a run is open, the next start may take it."""
    if not run.outcome or run.trained is None:
        return False
    if key.startswith(keys.manifests(run.model, run.run_id)):
        return key != keys.manifest(run.model, run.run_id, run.trained.event.manifest_sha256)
    if not key.startswith(f"runs/{run.model}/{run.run_id}/evaluation/"):
        return False
    return not any(key.startswith(entry.event.report_key.rpartition("/")[0] + "/") for entry in run.evaluated.values())
