"""LiteRT behind the ports OpenPrograms and CheckProgram, and Needs for both engines.

NOTE: what reads flatbuffers is imported where it is used: the process that serves rarely needs it, and it is megabytes.
"""

from pathlib import Path

from pushline.engine.litert import LARGEST_BATCH
from pushline.engine.litert import load as open_programs
from pushline.predictor.ports import Files

__all__ = ["check_program", "needs", "open_programs"]


def check_program(path: Path, max_bytes: int) -> None:
    from pushline.engine.check import check_program as check  # noqa: PLC0415 - see above

    check(path, max_bytes)


def needs(engine: str, files: Files, threads: int) -> int:
    from pushline.engine import estimate  # noqa: PLC0415 - see above

    if engine != "litert":
        return estimate.of_model(files[0][0].stat().st_size)
    return estimate.of_programs([estimate.read_sizes(path, batch or LARGEST_BATCH) for path, batch in files], threads)
