"""What this service is told from outside. Models and repositories stand in the operator's file (PUSHLINE_CONFIG)."""

import sys
from dataclasses import dataclass
from pathlib import Path

from pushline.runtime.durations import parse_duration, parse_size
from pushline.runtime.operator_file import LEAST_SECRET_BYTES
from pushline.runtime.settings import (
    ProcessSettings,
    SnapshotSettings,
    StoreSettings,
    WorkingLineSettings,
    count,
    group,
    one_of,
    port,
    setting,
)
from pushline.trainer.webhook.app import MAX_BYTES

GiB = 1024**3
SANDBOXES = ("auto", "bubblewrap", "unshare", "off")


def folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError(f'"{text}" is no folder')
    return Path(text).resolve()


def secret(text: str) -> bytes:
    data = text.encode()
    if len(data) < LEAST_SECRET_BYTES:
        raise ValueError(f"a secret needs at least {LEAST_SECRET_BYTES} bytes")
    return data


@dataclass(frozen=True)
class WebhookSettings:
    port: int = setting("PUSHLINE_WEBHOOK_PORT", default=8080, parse=port, help="port of the webhooks; 0 takes any free one")
    max_bytes: int = setting(
        "PUSHLINE_WEBHOOK_MAX_SIZE", default=MAX_BYTES, parse=parse_size, help="largest body of a webhook, such as 5MiB"
    )
    emit_secret: bytes = setting(
        "PUSHLINE_EMIT_SECRET",
        default=b"",
        parse=secret,
        secret=True,
        help="signs `pushline emit` for every model, at least 16 bytes",
    )


@dataclass(frozen=True)
class PreparationSettings:
    environments: Path | None = setting(
        "PUSHLINE_ENVIRONMENTS",
        default=None,
        parse=Path,
        help="folder for the packages that repositories ask for; unset: `environments` in PUSHLINE_WORK",
    )
    environments_kept: int = setting(
        "PUSHLINE_ENVIRONMENTS_KEPT", default=16, parse=count, help="so many sets of packages are kept for the next run"
    )
    environment_size: int = setting(
        "PUSHLINE_ENVIRONMENT_SIZE", default=8 * GiB, parse=parse_size, help="most that one set of packages may take"
    )
    environment_seconds: float = setting(
        "PUSHLINE_ENVIRONMENT_TIMEOUT",
        default=900.0,
        parse=parse_duration,
        help="longest that finding and installing them may take",
    )
    datasets: Path | None = setting(
        "PUSHLINE_DATASETS",
        default=None,
        parse=folder,
        help="folder of data sets that scripts get by name (tf.keras.datasets), shown to them read-only",
    )
    data_size: int = setting(
        "PUSHLINE_DATA_CACHE", default=32 * GiB, parse=parse_size, help="most that fetched training data may take on this machine"
    )


@dataclass(frozen=True)
class Settings:
    config: Path = setting("PUSHLINE_CONFIG", parse=Path, help="the operator's file")
    work: Path = setting("PUSHLINE_WORK", parse=Path, help="folder for copies of repositories and for trainings")
    training_python: Path = setting(
        "PUSHLINE_TRAINING_PYTHON",
        default=Path(sys.prefix) / "training/bin/python",
        parse=Path,
        help="Python of the training environment, which has TensorFlow",
    )
    sandbox: str = setting(
        "PUSHLINE_SANDBOX",
        default="auto",
        parse=one_of(*SANDBOXES),
        help="auto: bubblewrap, else unshare, whichever works; one of them by its name; or off: scripts run unconfined",
    )
    max_trainings: int = setting("PUSHLINE_MAX_TRAININGS", default=1, parse=count, help="trainings side by side on this machine")
    grace_seconds: float = setting("PUSHLINE_GRACE", default=10.0, parse=parse_duration, help="time for a clean stop")
    preparation: PreparationSettings = group()
    webhook: WebhookSettings = group()
    line: WorkingLineSettings = group()
    store: StoreSettings = group()
    snapshots: SnapshotSettings = group()
    process: ProcessSettings = group(metrics_port=9101)
