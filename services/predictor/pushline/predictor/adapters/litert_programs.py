"""LiteRT behind the ports OpenPrograms and CheckProgram."""

from pushline.engine.check import check_program
from pushline.engine.litert import load as open_programs

__all__ = ["check_program", "open_programs"]
