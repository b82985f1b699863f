"""The ledger: what the log says, as one pure fold.

state.py is what is known, rules.py what counts, fold.py the fold, prospects.py what comes next, foresight.py what if.
"""

from pushline.line.ledger.bad_rows import Stop
from pushline.line.ledger.fold import Ledger
from pushline.line.ledger.foresight import foresee
from pushline.line.ledger.prospects import Prospect, prospect
from pushline.line.ledger.rules import RULE_NAMES
from pushline.line.ledger.state import Image, Judgement, ModelLine, Rank, Run

__all__ = ["RULE_NAMES", "Image", "Judgement", "Ledger", "ModelLine", "Prospect", "Rank", "Run", "Stop", "foresee", "prospect"]
