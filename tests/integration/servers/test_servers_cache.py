"""Parts of servers in the cache, made by several processes at once, or by one that is killed at it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.servers import ENVIRON
from tests.waiting import until

# Tells of what it does, a line each, and builds only when the file `go` is there.
PREPARER = """
import sys, time
from pathlib import Path
from pushline.servers.cache import prepared
cache = Path(sys.argv[1])
def make(kitchen, folder):
    (kitchen.folder / "half").write_text("made")
    (folder / "whole").write_text("half")
    print("makes it", flush=True)
    while not (cache / "go").exists():
        time.sleep(0.01)
    (folder / "whole").write_text("whole")
print(prepared("thing-1", {"PUSHLINE_SERVERS_CACHE": str(cache)}, lambda line: print(line, flush=True), make), flush=True)
"""
WAITS = "thing-1 is being made by another process; waiting for it"


class Preparer:
    def __init__(self, cache: Path, number: int) -> None:
        self._said = cache.parent / f"said-{number}"
        with self._said.open("w") as out:
            self.process = subprocess.Popen([sys.executable, "-c", PREPARER, str(cache)], stdout=out, stderr=out, env=ENVIRON)

    @property
    def said(self) -> list[str]:
        return self._said.read_text().splitlines()

    def says(self, line: str) -> None:
        until(lambda: line in self.said, what=line)

    def ended(self) -> str:
        """Wait for a good end; give the folder that it gave."""
        assert self.process.wait(20) == 0, self.said
        return self.said[-1]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@contextmanager
def preparers(cache: Path, count: int) -> Iterator[list[Preparer]]:
    with ExitStack() as stack:
        made = []
        for number in range(count):
            made.append(Preparer(cache, number))
            stack.callback(made[-1].process.kill)
        yield made


def test_of_preparers_at_once_one_makes_it_and_the_others_wait_for_it(cache: Path) -> None:
    with preparers(cache, 3) as all_of_them:
        until(lambda: all(preparer.said for preparer in all_of_them), what="a word of each")
        (maker,) = (preparer for preparer in all_of_them if preparer.said == ["makes it"])
        waiting = [preparer for preparer in all_of_them if preparer is not maker]
        for preparer in waiting:
            preparer.says(WAITS)
        assert not (cache / "thing-1").exists()
        (cache / "go").touch()

        assert {preparer.ended() for preparer in all_of_them} == {str(cache / "thing-1")}
        assert [preparer.said for preparer in waiting] == [[WAITS, str(cache / "thing-1")]] * 2
    assert (cache / "thing-1" / "whole").read_text() == "whole"


def test_a_preparer_that_is_killed_leaves_nothing_half_made_and_the_next_one_makes_it(cache: Path) -> None:
    with preparers(cache, 2) as (one, other):
        until(lambda: bool(one.said and other.said), what="a word of each")
        maker, heir = (one, other) if one.said == ["makes it"] else (other, one)
        heir.says(WAITS)

        maker.process.kill()
        heir.says("makes it")

        assert not (cache / "thing-1").exists()
        (cache / "go").touch()
        assert heir.ended() == str(cache / "thing-1")
    assert [path.name for path in cache.iterdir() if "making" in path.name] == []
    assert (cache / "thing-1" / "whole").read_text() == "whole"
