"""One child process that has a model.h5 open, seen from its parent. tensorflow_child/ is what runs in it.

It has a clean environment, no network where the machine allows that, and limits; it ends with the thread that started it.
"""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pushline.engine.engine import TEXT, Array, BadProgram, EngineUnavailable, Signature, TensorSpec
from pushline.engine.tensorflow_child import START, texts
from pushline.engine.tensorflow_child.frames import DTYPES, BadFrame, Ended, receive, send
from pushline.engine.tensorflow_child.shared import ParentsMemory

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": "/dev/null/keras",  # or Keras makes a folder in somebody's home
    "HDF5_PLUGIN_PATH": "/nonexistent",
    "TF_NUM_INTEROP_THREADS": "1",
}
TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one model's process. `memory_bytes` is of what it writes to; files and programs mapped into it are not counted, nor what
    it shares with its parent.
    """

    memory_bytes: int = 4 * 2**30
    model_bytes: int = 256 * 2**20
    answer_bytes: int = 256 * 2**20
    shared_bytes: int = (
        64 * 2**20
    )  # each way, taken as far as it is used; what does not fit goes through the socket, all of it for 0
    start_seconds: float = 120.0  # until TensorFlow is imported
    load_seconds: float = 60.0
    run_seconds: float = 30.0

    @property
    def of_process(self) -> dict[str, int]:
        return {"data_bytes": self.memory_bytes, "file_bytes": 2**20, "files": 64}


class Child:
    """Start it from a thread that lives as long as it is wanted. Not thread-safe, but for kill."""

    def __init__(self, python: Path, limits: Limits) -> None:
        """Raises EngineUnavailable, OSError."""
        self._python, self._limits = python, limits
        self._shared = ParentsMemory(limits.shared_bytes) if limits.shared_bytes else None
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end
        self._connection, theirs = socket.socketpair()
        read, self._pipe = os.pipe()
        passed = (theirs.fileno(), read, *(self._shared.descriptors if self._shared else ()))
        words = ["serve", *(str(word) for word in (theirs.fileno(), read, os.getpid(), *passed[2:]))]
        try:
            self._process = subprocess.Popen(
                [str(python), "-I", "-B", str(START), *words],
                cwd="/",
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                pass_fds=passed,
            )
        except OSError as error:
            self._close()
            raise EngineUnavailable(f"{python} does not start: {error.strerror or error}") from error
        finally:
            theirs.close()
            os.close(read)

    def await_ready(self) -> None:
        """Until it has TensorFlow imported. Raises EngineUnavailable."""
        try:
            said, _ = self._receive(self._limits.start_seconds)
        except (BadFrame, Ended, OSError) as error:
            self.kill()
            self.wait()
            raise EngineUnavailable(
                f"TensorFlow does not start with {self._python}: {self._last_words() or repr(error)}"
            ) from error
        if said.get("say") != "ready":
            raise EngineUnavailable(f"{self._python} did not start what it was told to start")

    def load(self, path: Path) -> Signature:
        """Raises BadProgram."""
        request = {"path": str(path), "max_bytes": self._limits.model_bytes, "limits": self._limits.of_process}
        try:
            send(self._connection, request)
            said, _ = self._receive(self._limits.load_seconds)
        except TimeoutError as error:
            raise BadProgram(f"model.h5 was not loaded within {self._limits.load_seconds:g} s") from error
        except (BadFrame, Ended, OSError) as error:
            raise BadProgram(f"model.h5 ended the process that loaded it ({self.exit}): {error!r}") from error
        if said.get("say") != "loaded":
            raise BadProgram(f"model.h5 {str(said.get('sentence', 'was refused'))[:1000]}")
        return Signature(_specs(said.get("inputs"), {texts.TEXT: TEXT}), _specs(said.get("outputs"), {}))

    def run(self, inputs: Mapping[str, Array], signature: Signature) -> dict[str, Array]:
        """Raises BadProgram for what cannot be answered, EngineUnavailable where the process is of no use any more."""
        try:
            self._connection.settimeout(self._limits.run_seconds)
            shapes, arrays = texts.hidden(inputs)
            send(self._connection, {"texts": shapes}, arrays, self._shared)
            said, answers = self._receive(self._limits.run_seconds, self._shared)
        except TimeoutError as error:
            raise EngineUnavailable(f"no answer came within {self._limits.run_seconds:g} s") from error
        except (BadFrame, Ended, OSError) as error:
            raise EngineUnavailable(f"the model's process ended while it answered: {error!r}") from error
        if said.get("say") != "answer":
            raise BadProgram(f"model.h5 does not run: {str(said.get('sentence', ''))[:1000]}")
        return _fitting(answers, signature, len(next(iter(inputs.values()))))

    def wait(self) -> None:
        """Until it has ended."""
        self._process.wait()

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """Kill it, wait, and close what is held."""
        self.kill()
        self.wait()
        self._close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit(self) -> str:
        code = self._process.poll()
        return "it still runs" if code is None else f"signal {-code}" if code < 0 else f"exit status {code}"

    def _last_words(self) -> str:
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - TAIL_BYTES))
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def _receive(self, seconds: float, shared: ParentsMemory | None = None) -> tuple[dict[str, Any], dict[str, Array]]:
        return receive(self._connection, self._limits.answer_bytes, time.monotonic() + seconds, shared)

    def _close(self) -> None:
        self._connection.close()
        os.close(self._pipe)
        if self._shared is not None:
            self._shared.close()
        self._said.close()


def _specs(listed: Any, others: Mapping[str, str]) -> tuple[TensorSpec, ...]:  # noqa: ANN401 - a stranger's JSON
    """`others` are dtypes that NumPy calls by another name."""
    try:
        specs = tuple(
            TensorSpec(str(each["name"]), _dtype(str(each["dtype"]), others), tuple(int(size) for size in each["shape"]))
            for each in listed
        )
    except (TypeError, KeyError, ValueError) as error:
        raise BadProgram(f"model.h5 has inputs or outputs that cannot be told: {error!r}") from error
    names = {spec.name for spec in specs}
    known = {*DTYPES, *others.values()}
    if not specs or len(names) < len(specs) or any(spec.dtype not in known or not spec.shape for spec in specs):
        raise BadProgram(f"model.h5 has inputs or outputs that cannot be used: {', '.join(sorted(names))[:200]}")
    return specs


def _dtype(said: str, others: Mapping[str, str]) -> str:
    return others.get(said, said)


def _fitting(answers: dict[str, Array], signature: Signature, rows: int) -> dict[str, Array]:
    wanted = {spec.name: spec for spec in signature.outputs}
    fits = answers.keys() == wanted.keys() and all(
        answer.dtype.name == wanted[name].dtype and answer.ndim and len(answer) == rows for name, answer in answers.items()
    )
    if not fits:
        raise BadProgram("model.h5 answers other tensors than its signature says")
    return answers
