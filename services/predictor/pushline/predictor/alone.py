"""The crew of a predictor that is one process."""

from collections.abc import Mapping

from pushline.predictor.ports import Deployment


class Alone:
    """Implements Crew."""

    def prepare(self, deployment: Deployment, seconds: float) -> None:
        """There is nobody to wait for."""

    def swap(self, deployment: Deployment) -> None:
        """There is nobody to tell."""

    def tell(self, sure: Mapping[str, bool], *, log_read: bool) -> None:
        """There is nobody to tell."""
