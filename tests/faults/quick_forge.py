"""A trainer whose git host is believed after a quarter of a second, not five: `python -m tests.faults.quick_forge`.

A local git host shows a push at once, so nothing hangs on the wait; thousands of late deliveries would wait it out one by one.
"""

import sys
from functools import partial

from pushline.trainer import __main__ as trainer

if __name__ == "__main__":
    trainer.Wishes = partial(trainer.Wishes, lag_seconds=0.25)  # type: ignore[assignment,attr-defined] # what this module is for
    sys.exit(trainer.main())
