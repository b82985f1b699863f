"""What one evaluation works on, the rules it keeps to, and what it found: plain data that assessment.py fills."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pushline.evaluator.agreement import Agreement
from pushline.evaluator.cost_gates import Costs
from pushline.evaluator.findings import Comparison, DataFacts, OwnMetric, SliceFound, Trial, WorstRow
from pushline.evaluator.gates import Champion, Judged
from pushline.evaluator.measures import Measured
from pushline.evaluator.ports import Answers, ProgramFile
from pushline.evaluator.verdict import Verdict
from pushline.objects.manifest import Manifest
from pushline.reports.page import Picture
from pushline.reports.report import Drawing


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator may set. `tolerance` times max(1, |answer|) is how far a program may be from Keras."""

    tolerance: float = 1e-5
    max_dataset_bytes: int = 2**30
    max_program_bytes: int = 256 * 2**20
    asks_model: bool = False  # model.h5 is opened by Keras here, and asked too


@dataclass(frozen=True, slots=True)
class Material:
    """A run's files, here."""

    manifest: Manifest
    programs: tuple[ProgramFile, ...]
    dataset: Path | None = None
    answers: Path | None = None  # Keras' own, to the set
    proof: Path | None = None  # and to some rows, where the sandbox did not have the set
    training_rows: Path | None = None
    metrics: Path | None = None  # the repository's Python files
    model: ProgramFile | None = None  # model.h5, where Keras is asked about it here


@dataclass(slots=True)
class Assessment:
    """What was found, as far as it went: filled step by step, so that a refusal still shows what came before it."""

    verdict: Verdict = field(default_factory=lambda: Verdict("failed", "not_judged", "the run was not judged"))
    judged: tuple[Judged, ...] = ()
    facts: DataFacts | None = None
    agreements: tuple[Agreement, ...] = ()
    against: str = ""  # whose answers they are about: model.h5 | launcher | launcher_proof
    against_note: str = ""  # why it is not model.h5
    measured: Measured | None = None
    drawings: tuple[Drawing, ...] = ()
    worst_rows: tuple[WorstRow, ...] = ()
    pictures: Sequence[Picture] = ()  # for the page alone
    champion: Champion | None = None
    live: Manifest | None = None  # the live model's
    comparison: Comparison | None = None  # with the live model, where both could be measured
    slices: tuple[SliceFound, ...] = ()
    trial: Trial | None = None
    costs: Costs = field(default_factory=dict)  # of serving, as measured here, the live model's in turns with it
    own_metrics: tuple[OwnMetric, ...] = ()
    run: Answers | None = None
    seconds: float = 0.0  # from files that are here to the verdict
    child_seconds: float = 0.0  # of all programs that were run, the live model's too, and of waiting for the predictor
