"""The deployer's settings, from the environment."""

from dataclasses import dataclass

from pushline.runtime.settings import ProcessSettings, StoreSettings, WorkingLineSettings, group


@dataclass(frozen=True)
class Settings:
    line: WorkingLineSettings = group()
    store: StoreSettings = group()
    process: ProcessSettings = group(metrics_port=9103)
