"""A service of a group of its own whose clock is 20 minutes early: `python -m tests.faults.late_clock evaluator`.

It is right again once the file PUSHLINE_WORK/clock is there.
"""

import os
import runpy
import sys
from datetime import datetime, timedelta
from pathlib import Path

import minio.time

from pushline.line.kafka import KafkaLog
from tests.faults.twin import _of_its_own

MENDED = Path(os.environ["PUSHLINE_WORK"]) / "clock"  # noqa: TID251 - stands in for a __main__
_now = minio.time.utcnow


def _early() -> datetime:
    return _now() - (timedelta() if MENDED.exists() else timedelta(minutes=20))


if __name__ == "__main__":
    KafkaLog.ownership = _of_its_own  # type: ignore[method-assign,assignment] # what this module is for
    minio.time.utcnow = _early
    runpy.run_module(f"pushline.{sys.argv.pop(1)}", run_name="__main__", alter_sys=True)
