"""A service whose group is its own: `python -m tests.faults.twin deployer`. So it owns every partition, as the other one does."""

import runpy
import sys

from pushline.line.kafka import KafkaLog
from pushline.line.kafka_ownership import KafkaOwnership

_ownership = KafkaLog.ownership


def _of_its_own(log: KafkaLog, group: str, topic: str) -> KafkaOwnership:
    return _ownership(log, f"twin-{group}", topic)


if __name__ == "__main__":
    KafkaLog.ownership = _of_its_own  # type: ignore[method-assign,assignment] # what this module is for
    service = f"pushline.{sys.argv.pop(1)}"
    runpy.run_module(service, run_name="__main__", alter_sys=True)
