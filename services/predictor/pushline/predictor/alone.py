"""What a predictor of one process has in place of leading.py and workers.py: nothing to do."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from pushline.predictor.doors import Doors, Ports
from pushline.predictor.ports import Deployment


class Alone:
    """Implements Crew, and has the shape of Leading."""

    shared = False

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    @property
    def crew(self) -> "Alone":
        return self

    def hold_ports(self, doors: Doors) -> None:
        """They are its own."""

    def start(self, ports: Ports) -> None:
        """There is nobody to start."""

    def begin_stop(self) -> None:
        """There is nobody to stop."""

    def end(self) -> None:
        """There is nobody to wait for."""

    def prepare(self, deployment: Deployment, seconds: float) -> None:
        """There is nobody to wait for."""

    def swap(self, deployment: Deployment) -> None:
        """There is nobody to tell."""

    def drop_spare(self) -> None:
        """There is nobody to tell."""

    def tell(self, sure: Mapping[str, bool], *, log_read: bool) -> None:
        """There is nobody to tell."""
