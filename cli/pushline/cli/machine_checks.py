"""What a machine needs to run a line: found or not, and how to get it. Looks, and changes nothing."""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pushline.cli.service_settings import HOST, PORTS

LEAST_DISK = 4 * 1024**3
LEAST_GIT = (2, 30)
SECONDS = 20.0
USER_NAMESPACES = ["--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    state: str  # ok | warning | missing
    found: str
    cure: str = ""


def check_machine(environ: Mapping[str, str], *, ports_wanted: bool) -> list[Finding]:
    findings = [check_python(), check_git(), check_sandbox(environ), check_training(training_python(environ)), check_disk()]
    return [*findings, check_ports()] if ports_wanted else findings


def training_python(environ: Mapping[str, str]) -> Path:
    """The interpreter that trains: the one that is named, else the one beside this."""
    named = environ.get("PUSHLINE_TRAINING_PYTHON", "")
    return Path(named) if named else Path(sys.prefix) / "training" / "bin" / "python"


def check_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info < (3, 14):
        return Finding("python", "ok", f"{version} ({sys.prefix})")
    return Finding(
        "python", "missing", f"{version}; 3.11 to 3.13 is needed", "Debian, Ubuntu: apt-get install python3 python3-venv"
    )


def check_git() -> Finding:
    told = _run(["git", "--version"])
    numbers = re.search(r"(\d+)\.(\d+)", told or "")
    if numbers is None:
        return Finding("git", "missing", "git is not there", "Debian, Ubuntu: apt-get install git")
    if (int(numbers[1]), int(numbers[2])) < LEAST_GIT:
        return Finding("git", "warning", f"{numbers[0]}; tried with 2.30 and newer")
    return Finding("git", "ok", (told or "").strip().removeprefix("git version "))


def check_sandbox(environ: Mapping[str, str]) -> Finding:
    """Really start one: a kernel or container may forbid user namespaces."""
    if environ.get("PUSHLINE_SANDBOX") == "off":
        return Finding("sandbox", "warning", "off (PUSHLINE_SANDBOX): scripts of committers run with your rights")
    if shutil.which("bwrap") is None:
        return Finding("sandbox", "missing", "bubblewrap is not there", "Debian, Ubuntu: apt-get install bubblewrap")
    if _run(["bwrap", *USER_NAMESPACES, "true"]) is None:
        cure = (
            "Allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1 (Debian), "
            "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); in Docker: --security-opt seccomp=unconfined"
        )
        return Finding("sandbox", "missing", "bubblewrap is there, but this machine forbids user namespaces", cure)
    return Finding("sandbox", "ok", "bubblewrap, user namespaces work")


def check_training(python: Path) -> Finding:
    ask = "from importlib.metadata import version as v; print('TensorFlow', v('tensorflow'), 'Keras', v('keras'))"
    for package in ("tensorflow", "tensorflow_cpu"):
        told = _run([str(python), "-I", "-c", ask.replace("v('tensorflow')", f"v('{package}')")])
        if told is not None:
            return Finding("training", "ok", f"{told.strip()} ({python})")
    return Finding(
        "training", "missing", f"no TensorFlow in {python}", "In the clone: tools/install; else set PUSHLINE_TRAINING_PYTHON"
    )


def check_disk() -> Finding:
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free in {folder}"
    if free < LEAST_DISK:
        return Finding("disk", "warning", f"{text}; a training may use 4", "Free some, or set TMPDIR")
    return Finding("disk", "ok", text)


def check_ports() -> Finding:
    wanted = sorted(port for ports in PORTS.values() for port in ports.values())
    taken = [port for port in wanted if not _free(port)]
    if taken:
        return Finding(
            "ports", "warning", f"in use: {', '.join(map(str, taken))}", "Stop what uses them, or: pushline up --free-ports"
        )
    return Finding("ports", "ok", f"{', '.join(map(str, wanted))} are free")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _run(command: list[str]) -> str | None:
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout if told.returncode == 0 else None
