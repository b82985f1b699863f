"""The operator's file (PUSHLINE_CONFIG): what a committer must not decide. Read strictly, with file and key in every error."""

import base64
import binascii
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pushline.runtime.durations import parse_duration, parse_size
from pushline.runtime.forge_config import ForgeConfig, read_forge
from pushline.runtime.git_access import GitAccess, read_git_access
from pushline.runtime.strict_table import StrictTable, WrongKey

POLICIES = ("latest", "every")
SCHEMES = ("https", "http", "ssh", "git", "file")
LEAST_SECRET_BYTES = 16
BOUNDS = ("min", "max", "max_drop", "slice_min", "slice_max_drop")  # of a gate
CONFIDENCE, LEAST_CONFIDENCE, MOST_CONFIDENCE = "confidence", 0.5, 0.999
MOST_DATA_BYTES = 4 * 1024**3
SIGNING_TOKEN = b"whsec_"  # of GitLab and others that follow Standard Webhooks
_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_METRIC_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}(\.[^\x00-\x20\x7f\[\]]{1,200})?")  # recall, or that of one class: recall.cat
_WRONG_IN_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[-/.]|[/.]$")
_DATA_PREFIX = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^#?\s\\]*/)?", re.ASCII)
_SCP_FORM = re.compile(r"(?:[^@/\s:]+@)?[A-Za-z0-9][A-Za-z0-9._-]*:[^:\s][^\s]*", re.ASCII)


class OperatorFileError(Exception):
    """The operator's file cannot be used; the message names file and key."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem


@dataclass(frozen=True, slots=True)
class GateConfig:
    """Bounds of one metric; at least one is given. `max_drop` and `slice_max_drop` are against the live model.

    `sure` is None where it is not said; `tolerance` is of the bounds of a measured cost.
    """

    min: float | None
    max: float | None
    max_drop: float | None
    sure: bool | None = None
    slice_min: float | None = None
    slice_max_drop: float | None = None
    tolerance: float | None = None

    @property
    def is_empty(self) -> bool:
        return (self.min, self.max, self.max_drop, self.slice_min, self.slice_max_drop) == (None,) * 5


@dataclass(frozen=True, slots=True)
class Limits:
    timeout_seconds: float
    memory_bytes: int
    processes: int
    disk_bytes: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class DataConfig:
    """What `[train] data` of a repository may name, beside s3://<the line's bucket>/datasets/<model>/."""

    allow: tuple[str, ...] = ()  # s3://bucket/prefix/
    max_bytes: int = MOST_DATA_BYTES  # of all files of a run together


@dataclass(frozen=True, slots=True)
class ModelConfig:
    name: str
    repository: str
    branch: str
    policy: str
    cancel_running: bool
    webhook_secrets: tuple[bytes, ...] = field(repr=False)
    reconcile_interval_seconds: float
    gates: dict[str, GateConfig]
    limits: Limits
    data: DataConfig = DataConfig()
    access: GitAccess = field(default_factory=GitAccess)
    confidence: float | None = None  # the least that a repository may ask for; None: whatever it likes
    webhook_secret_files: tuple[Path, ...] = ()
    allow_breaking: bool = True  # whether a repository may let a model change its inputs, outputs or labels
    forge: ForgeConfig | None = None

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"


@dataclass(frozen=True, slots=True)
class UpConfig:
    state: Path


@dataclass(frozen=True, slots=True)
class OperatorFile:
    models: tuple[ModelConfig, ...]
    up: UpConfig

    def model(self, name: str) -> ModelConfig | None:
        return next((model for model in self.models if model.name == name), None)


def read_operator_file(path: Path, *, secrets: bool = True) -> OperatorFile:
    """Raises OperatorFileError. Paths in the file are relative to its folder.

    Without `secrets` the files that it names are not looked at, for who neither needs nor may read them.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OperatorFileError(path, f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OperatorFileError(path, f"is no TOML: {error}") from None
    try:
        return _file(StrictTable(data), path.resolve().parent, secrets=secrets)
    except WrongKey as error:
        raise OperatorFileError(path, str(error)) from None


def read_gates(table: StrictTable) -> dict[str, GateConfig]:
    """Read a table of gates, metric by metric, after read_confidence. Raises WrongKey."""
    gates: dict[str, GateConfig] = {}
    for metric in gated_metrics(table):
        bounds = table.table(metric)
        gates[metric] = read_bounds(bounds)
        bounds.finish()
        if gates[metric].is_empty:
            raise WrongKey(bounds.where, f"has none of {', '.join(BOUNDS)}")
    table.finish()
    return gates


def gated_metrics(table: StrictTable) -> Iterator[str]:
    """Give the metrics of a table of gates. Raises WrongKey."""
    for metric in table.keys():  # noqa: SIM118 - no mapping: it has no iteration of its own
        if metric == CONFIDENCE:
            continue
        if not _METRIC_NAME.fullmatch(metric):
            raise table.wrong(metric, "is no name of a metric")
        yield metric


def read_bounds(table: StrictTable) -> GateConfig:
    """Read what one gate asks for; the table may have more keys. Raises WrongKey."""
    numbers = {name: table.number(name) for name in (*BOUNDS, "tolerance")}
    for name in ("max_drop", "slice_max_drop", "tolerance"):
        number = numbers[name]
        if number is not None and number < 0:
            raise table.wrong(name, f"{number} is below 0")
    said = "sure" in table
    sure = table.flag("sure", default=False)
    return GateConfig(**numbers, sure=sure if said else None)


def read_confidence(table: StrictTable) -> float | None:
    """Read how sure gates have to be, which stands beside them. Raises WrongKey."""
    confidence = table.number(CONFIDENCE)
    if confidence is not None and not LEAST_CONFIDENCE <= confidence <= MOST_CONFIDENCE:
        allowed = f"from {LEAST_CONFIDENCE:g} to {MOST_CONFIDENCE:g}"
        raise table.wrong(CONFIDENCE, f"{confidence:g} is no confidence; give a number {allowed}, such as 0.95")
    return confidence


def parse_model_name(text: str) -> str:
    if not _MODEL_NAME.fullmatch(text):
        raise ValueError(f'"{text}" is no model name: small letters, digits and hyphens, at most 63, no hyphen first')
    return text


def parse_branch(text: str) -> str:
    if _WRONG_IN_BRANCH.search(text) or text == "@" or text.startswith("refs/"):
        raise ValueError(f'"{text}" is no branch name (write it without refs/heads/)')
    return text


def _file(table: StrictTable, folder: Path, *, secrets: bool) -> OperatorFile:
    models = tuple(_model(each, folder, secrets=secrets) for each in table.tables("models"))
    up = table.table("up")
    state = folder / up.text("state", "state")
    up.finish()
    table.finish()
    _check_apart(models)
    return OperatorFile(models, UpConfig(state))


def _check_apart(models: tuple[ModelConfig, ...]) -> None:
    names: dict[str, int] = {}
    sources: dict[tuple[str, str], int] = {}
    for index, model in enumerate(models):
        first = names.setdefault(model.name, index)
        if first != index:
            raise WrongKey(f"models[{index}].name", f'"{model.name}" is models[{first}] already')
        first = sources.setdefault((model.repository, model.branch), index)
        if first != index:
            raise WrongKey(f"models[{index}].repository", f"this repository and branch are models[{first}] already")
        if any(other.repository == model.repository and other.access != model.access for other in models[:index]):
            raise WrongKey(f"models[{index}].repository", "another model reads this repository with another token or key")


def _model(table: StrictTable, folder: Path, *, secrets: bool) -> ModelConfig:
    gates = table.table("gates")
    repository = table.parsed("repository", lambda text: _repository(text, folder))
    model = ModelConfig(
        name=table.parsed("name", parse_model_name),
        repository=repository,
        branch=table.parsed("branch", parse_branch, "main"),
        policy=table.parsed("policy", _policy, "latest"),
        cancel_running=table.flag("cancel_running", default=True),
        webhook_secret_files=tuple(folder / name for name in table.texts("webhook_secret_files")),
        webhook_secrets=tuple(_secret(table, folder / name) for name in table.texts("webhook_secret_files") if secrets),
        reconcile_interval_seconds=table.parsed("reconcile_interval", parse_duration, 180.0),
        confidence=read_confidence(gates),
        gates=read_gates(gates),
        limits=_limits(table.table("limits")),
        access=read_git_access(table, folder, repository, secrets=secrets),
        data=_data(table.table("data")),
        allow_breaking=table.flag("allow_breaking", default=True),
        forge=_forge(table, folder, repository),
    )
    table.finish()
    return model


def _forge(table: StrictTable, folder: Path, repository: str) -> ForgeConfig | None:
    forge = table.table("forge")
    return read_forge(forge, folder, repository) if "forge" in table else None


def _limits(table: StrictTable) -> Limits:
    limits = Limits(
        timeout_seconds=table.parsed("timeout", parse_duration, 3600.0),
        memory_bytes=table.parsed("memory", parse_size, 4 * 1024**3),
        processes=table.whole("processes", 256),
        disk_bytes=table.parsed("disk", parse_size, 2 * 1024**3),
        output_bytes=table.parsed("output", parse_size, 1024**3),
    )
    table.finish()
    return limits


def _data(table: StrictTable) -> DataConfig:
    allow = table.texts("allow")
    for address in allow:
        if not _DATA_PREFIX.fullmatch(address):
            raise table.wrong("allow", f'"{address}" is not of the form s3://bucket/prefix/, with a slash at its end')
    config = DataConfig(allow, table.parsed("size", parse_size, MOST_DATA_BYTES))
    table.finish()
    return config


def _policy(text: str) -> str:
    if text not in POLICIES:
        raise ValueError(f'"{text}" is no policy; known are {", ".join(POLICIES)}')
    return text


def _repository(text: str, folder: Path) -> str:
    """Give an address as it is, or a path made absolute. Credentials in an address would end in every event."""
    scheme, found, rest = text.partition("://")
    if found:
        if scheme not in SCHEMES:
            raise ValueError(f'"{scheme}" is none of {", ".join(SCHEMES)}')
        if ":" in rest.partition("/")[0].rpartition("@")[0] or (scheme.startswith("http") and "@" in rest.partition("/")[0]):
            raise ValueError("has credentials in it; name a file in token_file or ssh_key_file")
        return text
    if text.startswith("-") or "::" in text:
        raise ValueError(f'"{text}" is neither an address nor a path')
    return text if _SCP_FORM.fullmatch(text) else str((folder / text).resolve())


def _secret(table: StrictTable, path: Path) -> bytes:
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise table.wrong("webhook_secret_files", f"cannot read {path}: {error.strerror}") from None
    if len(secret) < LEAST_SECRET_BYTES:
        raise table.wrong("webhook_secret_files", f"{path} has {len(secret)} bytes; a secret needs at least {LEAST_SECRET_BYTES}")
    if secret.startswith(SIGNING_TOKEN) and not _is_signing_token(secret):
        raise table.wrong("webhook_secret_files", f"{path} begins like a signing token, but has no base64 after whsec_")
    return secret


def _is_signing_token(secret: bytes) -> bool:
    try:
        return len(base64.b64decode(secret.removeprefix(SIGNING_TOKEN), validate=True)) >= LEAST_SECRET_BYTES
    except binascii.Error:
        return False
