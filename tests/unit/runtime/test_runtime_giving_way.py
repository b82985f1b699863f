import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pushline.runtime.git_access import GitAccess
from pushline.runtime.git_command import GitCommand, kill_group
from pushline.runtime.git_heads import open_git
from pushline.runtime.giving_way import give_way


@pytest.fixture
def git(tmp_path: Path) -> GitCommand:
    _, command = open_git(str(tmp_path), GitAccess(), tmp_path)
    return command


def weights(pid: int) -> tuple[int, str]:
    """Give the nice values of a process, and of its group of sessions: "none" without one, as the first of all sessions is."""
    group = Path(f"/proc/{pid}/autogroup")
    words = group.read_text().split() if group.exists() else []
    return os.getpriority(os.PRIO_PROCESS, pid), words[-1] if words else "none"


@pytest.mark.parametrize("nice", [0, 10])
def test_git_gives_way_with_its_whole_session_where_it_is_told_to(git: GitCommand, tmp_path: Path, nice: int) -> None:
    git.run(["init", "--quiet", "--bare", str(tmp_path / "r.git")], 20)
    before, _ = weights(os.getpid())

    process = replace(git, nice=nice).start(["-C", str(tmp_path / "r.git"), "cat-file", "--batch"], stdin=subprocess.PIPE)
    try:
        own, group = weights(process.pid)
    finally:
        kill_group(process)

    assert own == (nice or before)
    assert group in {str(nice), "none"}


def test_a_process_that_has_ended_already_is_no_fault() -> None:
    ended = subprocess.Popen(["/bin/true"], start_new_session=True)
    ended.wait()

    give_way(ended.pid, 10)
