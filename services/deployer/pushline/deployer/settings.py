"""The deployer's settings, from the environment."""

from dataclasses import dataclass

from pushline.runtime.settings import ProcessSettings, SnapshotSettings, StoreSettings, WorkingLineSettings, group


@dataclass(frozen=True)
class Settings:
    line: WorkingLineSettings = group()
    store: StoreSettings = group()
    snapshots: SnapshotSettings = group()
    process: ProcessSettings = group(metrics_port=9103)
