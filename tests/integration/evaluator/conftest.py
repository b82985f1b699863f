"""A real limited child and an empty store."""

import pytest

from pushline.evaluator.adapters.limited_child import LimitedChild, Limits, working_bubblewrap
from pushline.objects.memory_store import MemoryStore


@pytest.fixture(scope="module")
def child() -> LimitedChild:
    return LimitedChild(Limits(), working_bubblewrap())


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()
