"""What the deployer needs of the outside world."""

from typing import Protocol

from pushline.line.events import Serving


class ModelFiles(Protocol):
    def missing(self, model: str, serving: Serving) -> str:
        """Name the first object that a predictor would need and that is not there; empty where all are.

        Raises StoreUnavailable.
        """
        ...
