"""What every process shows of itself and of the line; labels whose values others choose."""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pushline.runtime.bounded_labels import OTHERS, Bounded
from pushline.runtime.health import Health
from pushline.runtime.line_gauges import LineGauges
from pushline.runtime.process_gauges import ProcessGauges


@dataclass
class Waiting:
    stage: str
    runs: int
    oldest_ms: int | None


def test_a_process_shows_whether_it_is_ready_at_that_moment() -> None:
    health, registry = Health(["line"]), CollectorRegistry()
    ProcessGauges(health, {}, registry)

    before = registry.get_sample_value("pushline_ready")
    health.report("line", "")

    assert (before, registry.get_sample_value("pushline_ready")) == (0.0, 1.0)


def test_room_is_told_of_folders_that_are_used_also_before_they_are_there(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    ProcessGauges(Health(), {"work": tmp_path / "not" / "yet", "snapshots": None}, registry)

    free, size = (registry.get_sample_value(f"pushline_disk_{what}_bytes", {"folder": "work"}) for what in ("free", "size"))

    assert size == shutil.disk_usage(tmp_path).total
    assert free is not None
    assert 0 < free < size
    assert registry.get_sample_value("pushline_disk_size_bytes", {"folder": "snapshots"}) is None


def test_a_folder_that_cannot_be_asked_about_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    registry = CollectorRegistry()
    ProcessGauges(Health(), {"work": tmp_path / "file" / "below"}, registry)

    assert math.isnan(registry.get_sample_value("pushline_disk_free_bytes", {"folder": "work"}) or 0.0)


def test_open_work_is_shown_by_stage_and_what_waits_for_nothing_has_no_age() -> None:
    registry = CollectorRegistry()
    LineGauges(lambda: ((Waiting("training", 2, 5_000), Waiting("held", 0, None)), (("digits", 7),)), registry)

    value = registry.get_sample_value
    assert value("pushline_open_runs", {"stage": "training"}) == 2
    assert value("pushline_open_runs", {"stage": "held"}) == 0
    assert value("pushline_oldest_open_timestamp_seconds", {"stage": "training"}) == 5
    assert value("pushline_oldest_open_timestamp_seconds", {"stage": "held"}) is None
    assert value("pushline_deploy_seq", {"model": "digits"}) == 7


@pytest.mark.parametrize("most", [1, 3])
def test_of_too_many_values_the_first_stay_apart(most: int) -> None:
    label = Bounded(most)

    shown = [label(f"value {number}") for number in range(5)]

    assert shown == [*(f"value {number}" for number in range(most)), *[OTHERS] * (5 - most)]
    assert [label(f"value {number}") for number in range(5)] == shown
    assert not label.has_room("one more")
