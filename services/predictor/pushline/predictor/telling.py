"""What a predictor tells of itself: its models, one or all of them; nothing where the operator does not want it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pushline.predictor import errors
from pushline.predictor.predictions import Description, Predictions

READY, UNAVAILABLE = "READY", "UNAVAILABLE"


class Listed(NamedTuple):
    """A model in Triton's words."""

    name: str
    version: str  # empty: nothing is deployed
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Telling:
    predictions: Predictions
    allowed: bool

    def check(self) -> None:
        """Raises MetadataOff."""
        if not self.allowed:
            raise errors.MetadataOff

    def describe(self, model: str, version: str) -> Description:
        """Raises RequestError."""
        self.check()
        return self.predictions.describe(model, version)

    def index(self, *, ready_only: bool) -> list[Listed]:
        """List every model that is known here, by name. Raises MetadataOff."""
        self.check()
        return [each for each in self._listed() if each.state == READY or not ready_only]

    def _listed(self) -> Iterator[Listed]:
        for name in self.predictions.models.names():
            try:
                found = self.predictions.describe(name, "")
            except errors.RequestError as error:
                yield Listed(name, "", UNAVAILABLE, str(error))
            else:
                yield Listed(name, str(found.identity.deploy_seq), UNAVAILABLE if found.problem else READY, found.problem)
