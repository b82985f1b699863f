"""The deployer's settings, from the environment."""

from dataclasses import dataclass

from pushline.runtime.settings import ProcessSettings, StageLineSettings, StoreSettings, group


@dataclass(frozen=True)
class Settings:
    line: StageLineSettings = group()
    store: StoreSettings = group()
    process: ProcessSettings = group(metrics_port=9103)
