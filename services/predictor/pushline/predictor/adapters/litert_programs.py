"""LiteRT behind the ports OpenPrograms, CheckProgram and ProgramsNeed."""

from collections.abc import Sequence
from pathlib import Path

from pushline.engine import estimate
from pushline.engine.check import check_program
from pushline.engine.litert import LARGEST_BATCH
from pushline.engine.litert import load as open_programs

__all__ = ["check_program", "open_programs", "programs_need"]


def programs_need(programs: Sequence[tuple[Path, int | None]], threads: int) -> int:
    return estimate.of_programs([estimate.read_sizes(path, batch or LARGEST_BATCH) for path, batch in programs], threads)
