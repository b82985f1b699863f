"""What this service is told from outside. Models and repositories stand in the operator's file (PUSHLINE_CONFIG)."""

import sys
from dataclasses import dataclass
from pathlib import Path

from pushline.runtime.durations import parse_duration, parse_size
from pushline.runtime.operator_file import LEAST_SECRET_BYTES
from pushline.runtime.settings import LineSettings, ProcessSettings, StoreSettings, count, group, one_of, port, setting
from pushline.trainer.webhook.app import MAX_BYTES

SANDBOXES = ("auto", "bubblewrap", "unshare", "off")


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
    webhook: WebhookSettings = group()
    line: LineSettings = group()
    store: StoreSettings = group()
    process: ProcessSettings = group(metrics_port=9101)
