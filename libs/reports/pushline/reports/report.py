"""report.json as data, field by field what report.schema.json says. Version 1, which older evaluations wrote, is read too.

What a version-1 report does not have is empty here, and `is_older` says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pushline.reports.findings import Comparison, DataFacts, Difference, Estimate, OwnMetric, SliceFound, Trial, WorstRow

SCHEMA = 2
READ = (1, 2)
NOTHING_LIVE = "none"  # the baseline_digest where no model is live

Point = tuple[float, float | None]


@dataclass(frozen=True, slots=True)
class Commit:
    repository: str
    ref: str
    sha: str
    before: str
    author: str
    message: str


@dataclass(frozen=True, slots=True)
class GateRow:
    """A gate and what was held against it. `difference` is the candidate's from the live model, where the gate is about that."""

    metric: str
    rule: str  # min | max | max_drop | better_than_constant | known | what later gates name
    threshold: float | None
    value: float | None
    champion: float | None
    passed: bool
    sentence: str
    reason: str = ""  # for machines; empty where it passed
    low: float | None = None
    high: float | None = None
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class ClassRow:
    label: str
    rows: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Champion:
    """The live model; `problem` says why there are no metrics."""

    digest: str
    run_id: str
    generation: int
    attempt: int
    sha: str
    metrics: Mapping[str, float | None]
    problem: str


@dataclass(frozen=True, slots=True)
class ProgramAgreement:
    file: str
    batch: int | None
    rows: int
    max_abs_difference: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the programs are from Keras; allowed is tolerance * max(1, |answer|)."""

    tolerance: float
    max_abs_difference: float | None
    programs: tuple[ProgramAgreement, ...]
    against: str = ""  # model.h5 | launcher | launcher_proof; empty: nothing was compared
    note: str = ""  # why it is not model.h5


@dataclass(frozen=True, slots=True)
class File:
    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Dataset:
    sha256: str
    size: int
    rows: int
    origin: str  # repository | store
    taken_from: str


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    dtype: str
    shape: tuple[int, ...]  # -1 where open


@dataclass(frozen=True, slots=True)
class Axis:
    label: str
    low: float
    high: float
    whole: bool = False  # it counts: no ticks between whole numbers


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as numbers. Drawings of one heading stand together; `says` is the chart in words, for who does not see it."""

    heading: str
    title: str
    kind: str  # lines | points
    says: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    guide: tuple[tuple[float, float], ...] = ()  # a dashed line to compare with


@dataclass(frozen=True, slots=True)
class PushedCommit:
    sha: str
    author: str
    message: str  # its first line


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is not as it was for the live model. Empty: there was, or is, none."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since the live model: pushes after its own up to this one, oldest first, and how the two were made."""

    commits: tuple[PushedCommit, ...]
    more_commits: int  # in front of these
    made: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Report:
    schema: int
    model: str
    run_id: str
    generation: int
    attempt: int
    commit: Commit
    caused_by: str
    digest: str
    manifest_sha256: str
    baseline_digest: str
    verdict: str  # accepted | rejected | inconclusive | failed
    reason: str
    sentence: str
    gates: tuple[GateRow, ...]
    metrics: Mapping[str, Estimate]
    constant: float | None
    first_metric: str
    classes: tuple[ClassRow, ...]
    confusion: tuple[tuple[int, ...], ...]
    champion: Champion | None
    agreement: Agreement
    files: tuple[File, ...]
    task: str
    labels: tuple[str, ...]
    dataset: Dataset | None
    history: Mapping[str, tuple[float | None, ...]]
    versions: Mapping[str, str]
    seeds: Mapping[str, int]
    sandbox: str
    loss: str
    confidence: float = 0.95
    comparison: Comparison | None = None
    slices: tuple[SliceFound, ...] = ()
    data: DataFacts | None = None
    trial: Trial | None = None
    own_metrics: tuple[OwnMetric, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    worst_rows: tuple[WorstRow, ...] = ()
    changes: Changes | None = None
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    engine: str = ""
    environment_sha256: str = ""
    lower_is_better: tuple[str, ...] = (
        "log_loss",
        "mae",
        "rmse",
    )  # of the metrics; one of a class (f1.cat) or slice (f1[region=2]) goes by its stem
    left_out: tuple[str, ...] = ()  # what the report would have been too large with

    @property
    def is_older(self) -> bool:
        """Say whether an evaluation wrote it that did not know all of this yet."""
        return self.schema < SCHEMA

    def is_error(self, metric: str) -> bool:
        """Say whether less of this metric is better."""
        return metric.partition("[")[0].partition(".")[0] in self.lower_is_better
