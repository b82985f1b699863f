"""The ledger: what the log says, as one pure fold. state.py is what is known, rules.py what counts, fold.py the fold."""

from pushline.line.ledger.fold import Ledger
from pushline.line.ledger.rules import RULE_NAMES
from pushline.line.ledger.state import Image, Judgement, ModelLine, Rank, Run

__all__ = ["RULE_NAMES", "Image", "Judgement", "Ledger", "ModelLine", "Rank", "Run"]
