"""A small disk (tmpfs) over one folder of one process: it can be filled to the last byte and emptied, and outlives that process.

It is mounted in a namespace that a process holds, so nobody needs to be root; who works on it joins that namespace.
"""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pushline.runtime.bound import bound
from pushline.servers.real import RealBroker, RealStore
from tests.waiting import until

MOUNT = 'mount -t tmpfs -o size="$1",mode=700 small "$0" && echo mounted && exec sleep infinity'
BALLAST = "ballast"
CHUNKS = (1 << 20, 1 << 12, 1)  # ever smaller, until not a byte is left


@dataclass(frozen=True, slots=True)
class SmallDisk:
    folder: Path
    holder: int  # the process whose namespace it is

    @property
    def seen(self) -> Path:
        """The folder as its users see it."""
        return Path(f"/proc/{self.holder}/root{self.folder}")

    def joined(self, command: Sequence[str | Path], working: Path) -> list[str]:
        """Give the command line that runs this on the disk."""
        join = ["--preserve-credentials", "--user", "--mount", f"--target={self.holder}", f"--wdns={working}"]
        return [_found("nsenter"), *join, "--", *map(str, command)]

    @contextmanager
    def full(self) -> Iterator[None]:
        ballast = self.seen / BALLAST
        self.fill()
        try:
            yield
        finally:
            ballast.unlink(missing_ok=True)

    def fill(self) -> None:
        """Take what is left; again, where somebody has made room meanwhile."""
        with (self.seen / BALLAST).open("ab", buffering=0) as file:
            for size in CHUNKS:
                with suppress(OSError):
                    while file.write(b"x" * size) == size:
                        pass

    @property
    def free(self) -> int:
        return shutil.disk_usage(self.seen).free


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    folder.mkdir(parents=True, exist_ok=True)
    command = [_found("unshare"), "--user", "--map-root-user", "--mount", "/bin/sh", "-c", MOUNT, str(folder), f"{megabytes}m"]
    with subprocess.Popen(bound(command, signal.SIGKILL), stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "mounted\n", "no disk could be mounted in a namespace of its own"
            disk = SmallDisk(folder, holder.pid)
            until(disk.seen.is_dir, 5, "the mounted folder")
            yield disk
        finally:
            holder.kill()


class SmallDiskBroker(RealBroker):
    """Kafka whose log lies on a small disk."""

    disk: SmallDisk

    def _java(self) -> list[str | Path]:
        return list(self.disk.joined(super()._java(), self.folder.resolve()))

    def _format(self) -> None:
        if not (self.disk.seen / "meta.properties").exists():  # from outside the folder looks empty
            super()._format()


class SmallDiskStore(RealStore):
    """MinIO whose objects lie on a small disk."""

    disk: SmallDisk

    def command(self) -> Sequence[str | Path]:
        return self.disk.joined(super().command(), self.folder.resolve())


def _found(name: str) -> str:
    path = shutil.which(name)
    assert path, f"{name} is not installed; it comes with util-linux, as the sandbox's own"
    return path
