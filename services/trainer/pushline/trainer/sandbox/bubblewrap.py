"""The first rung: bubblewrap. All that it protects is decided by the arguments made here.

Own namespaces (user, process, network, IPC, host name), no capability, no environment, a root made of nothing but the system's
programs and the training interpreter, read-only; scratch space of a fixed size in memory; no way to make further namespaces.
"""

import platform
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from pushline.trainer.sandbox.box import Ended, Job, SandboxUnavailable
from pushline.trainer.sandbox.enclosure import SUPERVISOR, Enclosure, place_of
from pushline.trainer.sandbox.interpreter import Interpreter, look_at
from pushline.trainer.sandbox.probe import probe
from pushline.trainer.sandbox.supervised import run_supervised

SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SETTINGS = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system/cpu")
SHARED_MEMORY_BYTES = 64 * 1024 * 1024
SCRATCH = "/tmp"  # noqa: S108 - the sandbox's own
INSIDE_UID = "1000"
ACCOUNTS = "pushline:x:1000:1000::/tmp/home:/bin/sh\n"
OLDEST_KERNEL_THAT_COUNTS_PROCESSES_BY_NAMESPACE = (5, 14)
INSTALL = "install the package bubblewrap (0.7 or newer), or set PUSHLINE_SANDBOX=off to train without a sandbox"
FORBIDDEN = (
    "This machine forbids unprivileged user namespaces, as a default Docker container does: allow them "
    "(sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0; in "
    "Docker a seccomp profile that allows them), or set PUSHLINE_SANDBOX=off to train without a sandbox"
)


@dataclass
class Bubblewrap:
    training_python: Path
    work_folder: Path  # on every sandbox's command line: runtime/scratch.py ends those that a killed trainer left half made
    name: str = field(default="bubblewrap", init=False)
    _base: tuple[str, ...] = field(default=(), init=False)
    _interpreter: Interpreter | None = field(default=None, init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, init=False)

    def check(self) -> None:
        with self._guard:
            if self._interpreter is None:
                interpreter = look_at(self.training_python)
                base = self._find(interpreter)
                try:
                    probe(lambda job: self._enclosure(base, interpreter, job), self.work_folder)
                except SandboxUnavailable as error:
                    raise SandboxUnavailable(f"bubblewrap cannot make a sandbox: {error}. {FORBIDDEN}") from None
                self._base, self._interpreter = base, interpreter

    @property
    def environment_sha256(self) -> str:
        self.check()
        return self._known.environment_sha256

    def run(self, job: Job, cancelled: threading.Event, /) -> Ended:
        self.check()
        try:
            return run_supervised(self._enclosure(self._base, self._known, job), job, cancelled)
        except SandboxUnavailable as error:
            raise SandboxUnavailable(f"bubblewrap cannot make a sandbox: {error}. {FORBIDDEN}") from None

    def _enclosure(self, base: tuple[str, ...], interpreter: Interpreter, job: Job) -> Enclosure:
        python = str(interpreter.executable)
        seen = ("--ro-bind", str(job.source), "/source", "--ro-bind", str(job.launcher), "/launcher")
        scratch = ("--size", str(job.limits.disk_bytes), "--tmpfs", SCRATCH)
        start = ("--remount-ro", "/proc", "--remount-ro", "/", "--", python, "-I", "-S", "/supervisor.py", "RESULT_FD")
        return Enclosure(
            command=(*base, *scratch, *self._shown(interpreter), *seen, *_extra(job), *start),
            python=python,
            source="/source",
            launcher="/launcher",
            base=SCRATCH,
            environment=environment_for(interpreter),
            counts_own_processes=_kernel() >= OLDEST_KERNEL_THAT_COUNTS_PROCESSES_BY_NAMESPACE,
            own_processes=3,  # bubblewrap outside and in
            is_boxed=True,
        )

    @property
    def _known(self) -> Interpreter:
        if self._interpreter is None:
            raise SandboxUnavailable("the sandbox was not checked")
        return self._interpreter

    def _find(self, interpreter: Interpreter) -> tuple[str, ...]:
        program = shutil.which("bwrap", path="/usr/local/bin:/usr/bin:/bin")
        if program is None:
            raise SandboxUnavailable(f"bubblewrap is not installed: {INSTALL}")
        known = subprocess.run([program, "--help"], capture_output=True, check=False, text=True, timeout=10, env={}).stdout
        if not re.search(r"^ *--size ", known, re.MULTILINE):
            raise SandboxUnavailable(f"this bubblewrap is too old to limit the size of its scratch space: {INSTALL}")
        problem = ""
        for extra in (("--disable-userns",), ()):
            if extra and extra[0] not in known:
                continue
            base = (program, *_namespaces(), *extra, *_system(), *self._accounts())
            problem = _try(base, self._shown(interpreter), interpreter)
            if not problem:
                return base
        raise SandboxUnavailable(f"bubblewrap cannot make a sandbox: {problem}. {FORBIDDEN}")

    def _accounts(self) -> tuple[str, ...]:
        passwd = self.work_folder / "sandbox-passwd"
        passwd.parent.mkdir(parents=True, exist_ok=True)
        passwd.write_text(ACCOUNTS)
        return ("--ro-bind", str(passwd), "/etc/passwd")

    def _shown(self, interpreter: Interpreter) -> tuple[str, ...]:
        """Show the interpreter where it lies. Comes after /tmp: it may lie below it."""
        words: list[str] = []
        for folder in interpreter.folders:
            if not folder.is_relative_to("/usr"):
                words += ["--ro-bind", str(folder), str(folder)]
        return (*words, "--ro-bind", str(SUPERVISOR), "/supervisor.py")


def _extra(job: Job) -> tuple[str, ...]:
    places = [(shown.source, place_of(shown, SCRATCH)) for shown in job.shown]
    places += [(folder, str(folder)) for folder in job.python_path]
    return tuple(word for source, place in places for word in ("--ro-bind", str(source), place))


def environment_for(interpreter: Interpreter) -> dict[str, str]:
    return {
        "PATH": f"{interpreter.executable.parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "USER": "pushline",
        "LOGNAME": "pushline",
        "PYTHONHASHSEED": "0",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "HDF5_PLUGIN_PATH": "/nonexistent",
    }


def _namespaces() -> tuple[str, ...]:
    apart = ("--unshare-all", "--unshare-user", "--uid", INSIDE_UID, "--gid", INSIDE_UID, "--hostname", "sandbox")
    return (*apart, "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL")


def _system() -> tuple[str, ...]:
    words = ["--ro-bind", "/usr", "/usr"]
    for name in SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for setting in SETTINGS:
        words += ["--ro-bind-try", setting, setting]
    words += ["--proc", "/proc", "--dev", "/dev", "--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108 - the sandbox's own
    return (*words, "--remount-ro", "/dev")


def _try(base: tuple[str, ...], shown: tuple[str, ...], interpreter: Interpreter) -> str:
    """Start the interpreter in a sandbox once. Gives what is wrong, "" when it works."""
    command = [*base, "--tmpfs", "/tmp", *shown, "--remount-ro", "/", "--", str(interpreter.executable), "-I", "-S", "-c", "pass"]  # noqa: S108 - inside
    try:
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=30, env={})
    except subprocess.TimeoutExpired:
        return "it did not start within 30 s"
    return "" if done.returncode == 0 else (" ".join(done.stderr.split())[-400:] or f"it ended with {done.returncode}")


def _kernel() -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", platform.release())
    return (int(match[1]), int(match[2])) if match else (0, 0)
