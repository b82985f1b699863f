"""Lets a process that nobody waits for give way to all others.

NOTE: A nice value alone does so within a session at most. Where the kernel groups by sessions (sched_autogroup_enabled, the default
of most distributions), each session has a share of its own, whatever the nice values in it, and the group a nice value (sched(7)).
"""

import os
from contextlib import suppress
from pathlib import Path


def give_way(session: int, nice: int) -> None:
    """Lower the leader of a new session, by its process id, and with it what it starts from now on. It may have ended."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, session, nice)
    with suppress(OSError):  # a kernel without groups of sessions, or asked more often than it allows
        Path(f"/proc/{session}/autogroup").write_text(f"{nice}\n", encoding="ascii")
