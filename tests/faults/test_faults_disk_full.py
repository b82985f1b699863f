"""A full disk, volume by volume: nothing is acknowledged that is not in the log, and once there is room everything goes on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.full_disks import VOLUMES, DiskCampaign, false_acknowledgements, small_line
from tests.faults.processes import FaultLine, Wish
from tests.faults.small_disk import SmallDisk, small_disk

SEED = 3


@pytest.fixture(scope="module")
def line_on_disks(tmp_path_factory: pytest.TempPathFactory, stub_python: Path) -> Iterator[tuple[FaultLine, dict[str, SmallDisk]]]:
    with small_line(tmp_path_factory.mktemp("small"), Wish({"disk": ""}, stub_python)) as running:
        yield running


@pytest.mark.timeout(400)
def test_each_volume_may_be_full_for_a_while(
    line_on_disks: tuple[FaultLine, dict[str, SmallDisk]], say: Callable[[str], None]
) -> None:
    line, disks = line_on_disks
    campaign = DiskCampaign(line, disks, "disk", SEED)
    for volume in VOLUMES:
        campaign.deal(volume)

    wrong, told = campaign.told()
    say(told)
    assert wrong == []


def test_a_full_disk_has_no_room_for_one_byte_and_has_it_again_afterwards(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", 2) as disk:
        with disk.full(), pytest.raises(OSError, match="No space left"):
            (disk.seen / "one").write_bytes(b"x")
        (disk.seen / "one").write_bytes(b"x")

        assert disk.free > 1 << 20
        assert not (tmp_path / "data" / "one").exists()  # whoever did not join sees the folder beneath


def test_a_202_without_its_record_is_seen() -> None:
    assert false_acknowledgements(["one", "two"], {"one"}) == ["two"]
