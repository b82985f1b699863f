"""Starts a stranger's child so that it cannot outlive this process, not even one that is killed in the moment of the start.

bubblewrap's first process ends with its parent, and the first one inside ends with that: each asks the kernel for it
(PR_SET_PDEATHSIG) only once it runs. Where the first one is killed before the second has asked, the second lives on with all in it.
So what is to run inside waits at a gate, which it reaches after both have asked. This process opens it; where it died before, the
gate hears that its socket has ended, and ends too. What stands still before it comes to the gate, as bubblewrap's second process
does whose first one is gone, holds nothing, and is ended by the next evaluator (runtime/scratch.py).
"""

import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

GATE = ("/bin/sh", "-c", 'echo >&0 && read -r go && exec "$@" </dev/null', "gate")
GATE_SECONDS = 60.0


def begin(
    enclosed: Sequence[str], command: Sequence[str], folder: Path, output: IO[bytes], env: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Start the command, inside of what encloses it if anything does. Raises OSError."""
    if not enclosed:
        return _started(command, folder, output, env, subprocess.DEVNULL)
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = _started([*enclosed, *GATE, *command], folder, output, env, theirs.fileno())
        except OSError:
            ours.close()
            raise
    threading.Thread(target=_open, args=(ours,), name="gate", daemon=True).start()
    return process


def _started(
    command: Sequence[str], folder: Path, output: IO[bytes], env: Mapping[str, str], stdin: int
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, cwd=folder, env=env, stdin=stdin, stdout=output, stderr=output, start_new_session=True)


def _open(gate: socket.socket) -> None:
    """Who never comes to the gate has ended, or is ended by its deadline: whoever waits for the process sees that."""
    with gate, suppress(OSError):
        gate.settimeout(GATE_SECONDS)
        if gate.recv(1):
            gate.sendall(b"go\n")
