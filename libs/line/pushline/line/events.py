"""The five events as plain data, in the past tense. Nothing here has a default: a missing field cannot hide.

proto/pushline/events/v1/events.proto says what each field means; a test holds the two against each other.
"""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

Unsigned = Annotated[int, Meta(ge=0, lt=2**32)]  # the schema's uint32


@dataclass(frozen=True, slots=True)
class Commit:
    repository: str
    ref: str
    sha: str
    before: str
    author: str
    message: str


@dataclass(frozen=True, slots=True)
class File:
    name: str
    sha256: str
    size: Unsigned


@dataclass(frozen=True, slots=True)
class CommitPushed:
    model: str
    run_id: str
    generation: Unsigned
    attempt: Unsigned
    commit: Commit
    caused_by: str
    previous: Unsigned
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelTrained:
    model: str
    run_id: str
    generation: Unsigned
    attempt: Unsigned
    commit: Commit
    caused_by: str
    outcome: str
    reason: str
    sentence: str
    digest: str
    manifest_sha256: str
    files: tuple[File, ...]
    sandbox: str


@dataclass(frozen=True, slots=True)
class GateResult:
    metric: str
    rule: str
    threshold: float | None
    value: float | None
    champion: float | None
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class ModelEvaluated:
    model: str
    run_id: str
    generation: Unsigned
    attempt: Unsigned
    commit: Commit
    caused_by: str
    digest: str
    baseline_digest: str
    verdict: str
    reason: str
    sentence: str
    gates: tuple[GateResult, ...]
    metrics: tuple[Metric, ...]
    dataset_sha256: str
    dataset_origin: str
    report_key: str
    report_sha256: str
    manifest_sha256: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Serving:
    run_id: str
    generation: Unsigned
    attempt: Unsigned
    commit: Commit
    digest: str
    manifest_sha256: str
    files: tuple[File, ...]
    weight: Unsigned
    mode: str


@dataclass(frozen=True, slots=True)
class ModelDeployed:
    model: str
    run_id: str
    generation: Unsigned
    attempt: Unsigned
    commit: Commit
    caused_by: str
    kind: str
    deploy_seq: Unsigned
    previous: Unsigned
    baseline_digest: str
    floor_generation: Unsigned
    actor: str
    outcome: str
    reason: str
    sentence: str
    serving: tuple[Serving, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class ModelServed:
    model: str
    run_id: str
    generation: Unsigned
    attempt: Unsigned
    commit: Commit
    caused_by: str
    deploy_seq: Unsigned
    digest: str
    replica: str
    start: str
    state: str
    reason: str
    sentence: str


Event = CommitPushed | ModelTrained | ModelEvaluated | ModelDeployed | ModelServed

NO_COMMIT = Commit(repository="", ref="", sha="", before="", author="", message="")
NOTHING_LIVE = "none"  # the baseline_digest where no model is live
