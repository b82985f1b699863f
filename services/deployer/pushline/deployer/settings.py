"""The deployer's settings, from the environment."""

from dataclasses import dataclass

from pushline.runtime.settings import LineSettings, ProcessSettings, StoreSettings, group


@dataclass(frozen=True)
class Settings:
    line: LineSettings = group()
    store: StoreSettings = group()
    process: ProcessSettings = group(metrics_port=9103)
