"""The copy on disk: nothing is believed that does not verify, and what is still needed is kept."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pushline.line.memory import MemoryLog
from pushline.objects.memory_store import MemoryStore
from pushline.predictor.adapters.disk_cache import DiskCache
from pushline.predictor.ports import Deployment
from tests.fixtures.predictor.deploying import DOUBLE, Line
from tests.fixtures.predictor.entries import entry_of


@pytest.fixture
def line() -> Line:
    return Line(MemoryLog(), MemoryStore())


def put(cache: DiskCache, kept: Deployment) -> list[str]:
    """Put bytes of every name that the record needs, verified or not."""
    serving = kept.event.serving[0]
    names = [serving.manifest_sha256, *(file.sha256 for file in serving.files)]
    for name in names:
        cache.place(kept.event.model, name).write_bytes(b"")
    return names


def test_what_was_kept_comes_back_as_it_was(tmp_path: Path, line: Line) -> None:
    kept = entry_of(line.deploy(DOUBLE))

    DiskCache(tmp_path).keep(kept)

    (found,) = DiskCache(tmp_path).followed()
    assert (found.id, found.event, found.value) == (kept.id, kept.event, kept.value)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert DiskCache(tmp_path / "absent").followed() == ()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text[:-30], id="cut"),
        pytest.param(lambda text: text.replace('\\"deploy_seq\\":1', '\\"deploy_seq\\":9'), id="one number changed"),
        pytest.param(lambda text: text.replace('"schema": 1', '"schema": 2'), id="another schema"),
        pytest.param(lambda _: "[]", id="no object"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "[" * 100_000, id="very deep"),
    ],
)
def test_a_damaged_state_is_no_state(tmp_path: Path, line: Line, damage: Callable[[str], str]) -> None:
    cache = DiskCache(tmp_path)
    cache.keep(entry_of(line.deploy(DOUBLE)))
    state = tmp_path / "numbers" / "state.json"
    before = state.read_text()
    state.write_text(damage(before))

    assert state.read_text() != before
    assert cache.followed() == ()


def test_another_models_state_is_not_followed(tmp_path: Path, line: Line) -> None:
    DiskCache(tmp_path).keep(entry_of(line.deploy(DOUBLE)))

    (tmp_path / "numbers").rename(tmp_path / "letters")

    assert DiskCache(tmp_path).followed() == ()


def test_a_file_is_given_only_while_its_bytes_verify(tmp_path: Path, line: Line) -> None:
    cache = DiskCache(tmp_path)
    program = line.deploy(DOUBLE).serving[0].files[1]
    place = cache.place("numbers", program.sha256)
    place.write_bytes(DOUBLE)
    assert cache.file("numbers", program.sha256) == place

    place.write_bytes(DOUBLE[:-1] + b"\x00\x00")

    assert cache.file("numbers", program.sha256) is None


def test_a_link_is_no_file(tmp_path: Path, line: Line) -> None:
    cache = DiskCache(tmp_path)
    program = line.deploy(DOUBLE).serving[0].files[1]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(DOUBLE)

    cache.place("numbers", program.sha256).symlink_to(elsewhere)

    assert cache.file("numbers", program.sha256) is None


def test_the_current_and_the_previous_files_stay_and_older_ones_go(tmp_path: Path, line: Line) -> None:
    cache = DiskCache(tmp_path)
    names = []
    for _ in range(3):
        kept = entry_of(line.deploy(DOUBLE))
        names.append(put(cache, kept))
        cache.keep(kept)
        cache.prune("numbers")

    left = {path.name for path in (tmp_path / "numbers" / "files").iterdir()}

    assert left == {*names[1], *names[2]}


def test_a_hold_does_not_push_the_previous_model_out(tmp_path: Path, line: Line) -> None:
    cache = DiskCache(tmp_path)
    first = entry_of(line.deploy(DOUBLE))
    cache.keep(first)
    cache.keep(entry_of(line.deploy(DOUBLE)))

    cache.keep(entry_of(line.hold()))

    state = json.loads((tmp_path / "numbers" / "state.json").read_text())
    assert state["previous"]["id"] == first.id
