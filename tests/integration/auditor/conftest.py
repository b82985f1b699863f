"""A fake GitHub, a line in memory, and the operator's file that brings them together."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pushline.line.memory import MemoryLog
from tests.fixtures.forge.server import FakeForge, serving
from tests.fixtures.forge.telling import forge_of, write_config
from tests.unit.auditor.telling import MODEL


@pytest.fixture
def forge() -> Iterator[FakeForge]:
    with serving(forge_of("github")) as running:
        yield running
    assert running.wrong == []


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def config(forge: FakeForge, tmp_path: Path) -> Path:
    return write_config(tmp_path, {MODEL: ("github", forge)})
