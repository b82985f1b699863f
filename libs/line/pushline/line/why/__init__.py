"""Why a commit is live, or is not: pure functions of the ledger, for the command and for services that explain a run."""

from pushline.line.why.answer import Answer, Fact, Replica
from pushline.line.why.causes import CAUSES, REASONS, Cause
from pushline.line.why.of_model import why_live
from pushline.line.why.of_run import why_run

__all__ = ["CAUSES", "REASONS", "Answer", "Cause", "Fact", "Replica", "why_live", "why_run"]
