"""What the script is doing, one JSON object a line on a file descriptor that the executor reads."""

import json
import math
import os
import time
from collections.abc import Mapping
from typing import Any

EPOCHS_UNTHROTTLED = 2_000
THROTTLED_SECONDS = 1.0


class Progress:
    """Never raises: a reader that went away must not end a training."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._epochs = 0
        self._next_epoch = 0.0
        if descriptor is not None:
            os.set_inheritable(descriptor, False)

    def say(self, event: str, **fields: Any) -> None:  # noqa: ANN401 JSON
        if self._descriptor is None or (event == "epoch" and not self._epoch_due()):
            return
        line = json.dumps({"event": event, **fields}, allow_nan=False).encode() + b"\n"
        try:
            os.write(self._descriptor, line)
        except OSError:
            self._descriptor = None

    def _epoch_due(self) -> bool:
        self._epochs += 1
        now = time.monotonic()
        if self._epochs > EPOCHS_UNTHROTTLED and now < self._next_epoch:
            return False
        self._next_epoch = now + THROTTLED_SECONDS
        return True


def numbers(values: Mapping[str, Any] | None) -> dict[str, float | None]:
    """Metrics as JSON has them: what is not finite is null."""
    return {str(name): number(value) for name, value in (values or {}).items()}


def number(value: Any) -> float | None:  # noqa: ANN401 whatever Keras reports
    try:
        plain = float(value)
    except (TypeError, ValueError):
        return None
    return plain if math.isfinite(plain) else None
