"""Packages that a repository names and the training environment lacks: found and installed outside the sandbox, wheels only.

What the training environment has is fixed: a requirement that wants another version of it fails the run. So what is installed
here is only what is missing there, and nothing of TensorFlow, Keras or NumPy comes twice.
"""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pushline.line.stage import Transient
from pushline.trainer.adapters.uv_command import Bounds, Uv, UvFailed, UvMissing, UvStopped
from pushline.trainer.failures import Failure
from pushline.trainer.leased_cache import LeasedCache
from pushline.trainer.requirements_file import Pin, clash
from pushline.trainer.uv_answers import failure_from, trouble

FORMAT = 1  # of what lies in the cache
PACKAGES, LISTED = "packages", "packages.json"
TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos")  # one library under several names


class EnvironmentRefused(Exception):
    """The requirements cannot be met, now or later: an outcome of the run."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Environment:
    """Packages beside the training environment's own, as they lie there, read-only."""

    path: Path
    installed: tuple[str, ...]  # name==version
    sha256: str  # of these and the training environment together


@dataclass(frozen=True, slots=True)
class Environments:
    """Thread-safe, and safe beside other processes with the same folder."""

    cache: LeasedCache
    uv: Uv
    bounds: Bounds

    @contextmanager
    def lease(
        self, file: str, pins: tuple[Pin, ...], base_sha256: str, cancelled: threading.Event, say: Callable[[str], None]
    ) -> Iterator[Environment]:
        """Give the environment of these pins. Raises EnvironmentRefused, Transient (no index), LeaseCancelled."""

        def make(folder: Path) -> None:
            say(f"making the environment of {file}")
            try:
                self._make(folder, file, pins, cancelled)
            except UvStopped as stopped:
                raise EnvironmentRefused(_stopped(file, stopped, self.bounds)) from None
            except UvMissing as error:
                raise Transient(f"environment: {error}") from None
            except OSError as error:
                raise Transient(f"environment: {error.strerror or error}") from None

        with self.cache.lease(_key(pins, base_sha256), make, cancelled) as folder:
            installed = tuple(json.loads((folder / LISTED).read_bytes()))
            sha256 = hashlib.sha256(json.dumps([base_sha256, installed]).encode()).hexdigest()
            yield Environment(folder / PACKAGES, installed, sha256)

    def _make(self, folder: Path, file: str, pins: tuple[Pin, ...], cancelled: threading.Event) -> None:
        work, target = folder / "work", folder / PACKAGES
        work.mkdir()
        target.mkdir()
        installed = self.uv.installed(work, self.bounds, cancelled)
        pins = _under_its_own_name(pins, installed)
        if problem := clash(pins, installed):
            raise EnvironmentRefused(Failure("requirements_conflict", f"{file} {problem}."))
        try:
            listed = self._install(work, target, pins, installed, cancelled)
        except UvFailed as error:
            failure = failure_from(str(error), file)
            if failure is None:
                raise Transient(f"packages for {file}: {trouble(str(error))}") from None
            raise EnvironmentRefused(failure) from None
        (folder / LISTED).write_text(json.dumps(listed))
        shutil.rmtree(work)

    def _install(
        self, work: Path, target: Path, pins: tuple[Pin, ...], installed: Mapping[str, str], cancelled: threading.Event
    ) -> list[str]:
        asked, fixed, without, exact = (work / f"{name}.txt" for name in ("asked", "fixed", "without", "exact"))
        asked.write_text("".join(f"{pin.line}\n" for pin in pins))
        fixed.write_text("".join(f"{name}=={version}\n" for name, version in installed.items()))
        without.write_text("".join(f"{name} ; sys_platform == 'none'\n" for name in TENSORFLOWS if name not in installed))
        missing = self.uv.missing(asked, fixed, without, self.bounds, cancelled)
        hashes = {f"{pin.name}=={pin.version}": " ".join(pin.hashes) for pin in pins}
        exact.write_text("".join(f"{each} {hashes.get(each, '')}\n" for each in missing))
        if missing:
            self.uv.install(exact, target, self.bounds, cancelled)
        return sorted(missing)


def _key(pins: tuple[Pin, ...], base_sha256: str) -> str:
    return hashlib.sha256(json.dumps([FORMAT, base_sha256, sorted(pin.line for pin in pins)]).encode()).hexdigest()


def _under_its_own_name(pins: tuple[Pin, ...], installed: Mapping[str, str]) -> tuple[Pin, ...]:
    """Repositories write tensorflow where the training environment has tensorflow-cpu."""
    own = next((name for name in TENSORFLOWS if name in installed), "")
    return tuple(replace(pin, name=own, extras="", hashes=()) if own and pin.name in TENSORFLOWS else pin for pin in pins)


def _stopped(file: str, stopped: UvStopped, bounds: Bounds) -> Failure:
    if stopped.limit == "time":
        return Failure("requirements_timeout", f"{file}: its packages were not installed within {bounds.seconds:g} s.")
    return Failure("requirements_too_large", f"{file}: its packages take more than {bounds.size_bytes} bytes.")
