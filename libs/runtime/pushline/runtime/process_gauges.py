"""What every process shows of itself: whether it can do its work, and how full the disks are that it writes to."""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pushline.runtime.health import Health


class ProcessGauges(Collector):
    """Read when Prometheus asks."""

    def __init__(self, health: Health, folders: Mapping[str, Path | None], registry: CollectorRegistry) -> None:
        """`folders` by what they are for (work, cache, snapshots, temporary); those that are not used are None."""
        self._health, self._folders = health, {name: path for name, path in folders.items() if path is not None}
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nobody is asked for it."""
        yield from _families()

    def collect(self) -> Iterator[Metric]:
        ready, free, size = _families()
        ready.add_metric([], 1.0 if self._health.ready else 0.0)
        for name, path in self._folders.items():
            free_bytes, size_bytes = _room(path)
            free.add_metric([name], free_bytes)
            size.add_metric([name], size_bytes)
        yield from (ready, free, size)


def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily("pushline_ready", "1 while the process can do its work, as /readyz says; 0 while it cannot."),
        GaugeMetricFamily("pushline_disk_free_bytes", "Room that is left where the process writes.", labels=["folder"]),
        GaugeMetricFamily("pushline_disk_size_bytes", "Size of the file system where the process writes.", labels=["folder"]),
    )


def _room(path: Path) -> tuple[float, float]:
    """Give what is free for who is not root, and the whole. A folder that is not there yet is as large as where it will lie."""
    for place in (path, *path.parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            break
        return float(found.f_bavail * found.f_frsize), float(found.f_blocks * found.f_frsize)
    return math.nan, math.nan
