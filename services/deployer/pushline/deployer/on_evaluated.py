"""What the deployer does about a step that promotion.py decided: see that a model to be promoted is there, then say the record."""

import threading
from dataclasses import dataclass

from pushline.deployer.ports import ModelFiles
from pushline.deployer.promotion import Deployment
from pushline.line.events import ModelDeployed
from pushline.line.stage import Transient
from pushline.objects.store import StoreUnavailable


@dataclass(frozen=True, slots=True)
class OnEvaluated:
    files: ModelFiles

    def __call__(self, deployment: Deployment, _cancelled: threading.Event) -> ModelDeployed:
        """Give the record. Raises Transient while the store is away or an object that it names is not there."""
        event = deployment.event
        for serving in event.serving:
            try:
                missing = self.files.missing(event.model, serving)
            except StoreUnavailable as error:
                raise Transient(f"store: {error}") from error
            if missing:
                raise Transient(f"store: {missing} is not there; nothing is deployed without it")
        return event
