"""The evaluator's settings, from the environment."""

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from pushline.runtime.durations import parse_duration, parse_size
from pushline.runtime.settings import ProcessSettings, SnapshotSettings, StoreSettings, WorkingLineSettings, count, group, setting


def share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= 1:
        raise ValueError(f'"{text}" is no number above 0 and up to 1')
    return number


def interpreter(text: str) -> Path | None:
    return Path(text) if text else None


def command(text: str) -> tuple[str, ...]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f'"{text}" is no command: {error}') from None
    if not words:
        raise ValueError("names no program")
    return tuple(words)


@dataclass(frozen=True)
class EvaluationSettings:
    at_once: int = setting("PUSHLINE_EVALUATIONS", default=2, parse=count, help="runs judged at once")
    tolerance: float = setting(
        "PUSHLINE_TOLERANCE", default=1e-5, parse=share, help="how far a program may be from Keras, times max(1, |answer|)"
    )
    timeout_seconds: float = setting(
        "PUSHLINE_EVALUATION_TIMEOUT",
        default=120.0,
        parse=parse_duration,
        help="longest that a program may take over the whole set",
    )
    memory_bytes: int = setting(
        "PUSHLINE_EVALUATION_MEMORY", default=4 * 2**30, parse=parse_size, help="address space of the process that runs a program"
    )
    answers_bytes: int = setting(
        "PUSHLINE_MAX_ANSWERS", default=2**28, parse=parse_size, help="largest file of answers that a program may give"
    )
    dataset_bytes: int = setting("PUSHLINE_MAX_DATASET", default=2**30, parse=parse_size, help="largest evaluation set")
    program_bytes: int = setting("PUSHLINE_MAX_PROGRAM", default=2**28, parse=parse_size, help="largest serving program")
    tensorflow_python: Path | None = setting(
        "PUSHLINE_TENSORFLOW_PYTHON",
        default=None,
        parse=interpreter,
        help="Python that has TensorFlow, for models that have no serving program; empty: their runs wait",
    )
    predictor_command: tuple[str, ...] = setting(
        "PUSHLINE_PREDICTOR_COMMAND",
        default=(),
        parse=command,
        help="command that starts the predictor, in which a candidate is tried before it may go live, its interpreter first, "
        "such as `/opt/predictor/bin/python -m pushline.predictor`; empty: the evaluator's own, where it has the predictor",
    )


@dataclass(frozen=True)
class Settings:
    line: WorkingLineSettings = group()
    store: StoreSettings = group()
    snapshots: SnapshotSettings = group()
    process: ProcessSettings = group(metrics_port=9102)
    evaluation: EvaluationSettings = group()
