"""Runs the supervisor in whatever encloses it, watches from outside, and takes in what comes out. Every limit has its end here."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import IO, cast

from pushline.runtime.operator_file import Limits
from pushline.trainer.sandbox import cgroups
from pushline.trainer.sandbox.box import Ended, Job, SandboxUnavailable
from pushline.trainer.sandbox.enclosure import MAX_SCRATCH_FILES, Enclosure, job_words
from pushline.trainer.sandbox.processes import Scratch, kill_tree, memory_of, offer_to_oom_killer, tree
from pushline.trainer.sandbox.streams import LogPump, ProgressPump, ResultPump

POLL_SECONDS = 0.05
LOOK_SECONDS = 0.1
LONGEST_WITHOUT_A_LOOK = 0.5
READY_SECONDS = 30.0
SEND_SECONDS = 120.0
SATURATED_SECONDS = 2.0
GROUP_MARGIN_BYTES = 128 * 1024 * 1024


def run_supervised(enclosure: Enclosure, job: Job, cancelled: threading.Event) -> Ended:
    started = time.monotonic()
    pumps = _Pumps(job)
    group = cgroups.make(job.limits.memory_bytes + job.limits.disk_bytes + GROUP_MARGIN_BYTES, job.limits.processes + 8)
    try:
        process = pumps.start(enclosure, group)
        watch = _Watch(enclosure, job.limits, process.pid, started, cancelled, pumps.results)
        try:
            stopped = watch.until_it_ends(pumps.received)
        finally:
            _end(process)
            pumps.join()
        memory_refused = group is not None and group.counted("oom_kill") > 0
    finally:
        if group is not None:
            group.remove()
    if pumps.results.trouble is not None and not stopped:
        raise pumps.results.trouble
    if not pumps.results.is_ready and not stopped:
        raise SandboxUnavailable(pumps.log.tail() or f"the first process ended with {process.returncode}")
    return replace(pumps.ended(stopped), memory_refused=memory_refused, seconds=time.monotonic() - started)


class _Pumps:
    """The pipes of one run, each read by a thread of its own."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._threads: list[threading.Thread] = []
        self._send: Callable[[], None] = lambda: None
        self.received = threading.Event()
        self.log = LogPump(job.on_log)
        self.progress = ProgressPump(job.on_progress)
        self.results = ResultPump(job.results, job.limits.output_bytes, job.limits.disk_bytes, lambda: self._send())  # noqa: PLW0108 - it is set later

    def start(self, enclosure: Enclosure, group: cgroups.ControlGroup | None) -> subprocess.Popen[bytes]:
        result_read, result_write = os.pipe()
        progress_read, progress_write = os.pipe()
        command = [str(result_write) if word == "RESULT_FD" else word for word in enclosure.command]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(result_write, progress_write),
                env={},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            os.close(result_read)
            os.close(progress_read)
            raise SandboxUnavailable(f"{command[0]} cannot be started: {error.strerror}") from None
        finally:
            os.close(result_write)
            os.close(progress_write)
        words = json.dumps(job_words(enclosure, self._job, progress_write)).encode()
        self._send = partial(_let_go, process, words, group)
        self._read(self.results.drain, os.fdopen(result_read, "rb"), self.received.set)
        self._read(self.progress.drain, os.fdopen(progress_read, "rb"))
        self._read(self.log.drain, cast("IO[bytes]", process.stdout))
        return process

    def _read(self, drain: Callable[[IO[bytes]], None], pipe: IO[bytes], at_end: Callable[[], None] = lambda: None) -> None:
        def read() -> None:
            with pipe:
                try:
                    drain(pipe)
                finally:
                    at_end()

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        self._threads.append(thread)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=10)

    def ended(self, stopped: str) -> Ended:
        words, whole = self.results.words, self.results.is_complete
        code = words.get("exit")
        problem = words.get("problem")
        return Ended(
            stopped=stopped,
            exit_code=code if type(code) is int and whole and not stopped else None,
            disk_full=words.get("disk_full") is True,
            memory_refused=False,
            tail=str(problem)[:1000] if problem else self.log.tail(),
            files=dict(self.results.files) if whole and not stopped else {},
            refused=dict(self.results.refused),
        )


class _Watch:
    """Looks at the whole tree of processes from outside, many times a second."""

    def __init__(
        self, enclosure: Enclosure, limits: Limits, root: int, started: float, cancelled: threading.Event, results: ResultPump
    ) -> None:
        self._enclosure, self._scratch = enclosure, Scratch(enclosure.base) if enclosure.is_boxed else None
        self._limits, self._root, self._cancelled, self._results = limits, root, cancelled, results
        self._ready_by = started + READY_SECONDS
        self._deadline = started + limits.timeout_seconds
        self._next_look = started
        self._saturated_since: float | None = None
        self._sent_by: float | None = None

    def until_it_ends(self, received: threading.Event) -> str:
        while not received.wait(POLL_SECONDS):
            if self._cancelled.is_set():
                return "cancelled"
            now = time.monotonic()
            if not self._results.is_ready and now > self._ready_by:
                return ""
            problem = self._sending(now) if self._results.is_done else self._running(now)
            if problem:
                return problem
        return ""

    def _sending(self, now: float) -> str:
        """The script can say in the supervisor's place that it ended; so all is looked at as before, and nothing else may run."""
        self._sent_by = self._sent_by or now + SEND_SECONDS
        if now > self._sent_by:
            return "timeout"
        return self._looked(now)

    def _running(self, now: float) -> str:
        return "timeout" if now > self._deadline else self._looked(now)

    def _looked(self, now: float) -> str:
        if now < self._next_look:
            return ""
        problem = self._look(now)
        cost = time.monotonic() - now
        self._next_look = now + min(max(LOOK_SECONDS, 20 * cost), LONGEST_WITHOUT_A_LOOK)
        return problem

    def _look(self, now: float) -> str:
        is_done = self._results.is_done
        processes = tree(self._root)
        if is_done and len(processes) > self._enclosure.own_processes:
            return "pretended"
        most = self._limits.memory_bytes
        if sum(process.resident_bytes for process in processes) > most and memory_of(processes) > most:
            return "memory"
        if self._scratch is not None and self._scratch.files(processes) > MAX_SCRATCH_FILES:
            return "files"
        count = sum(process.threads for process in processes)
        if count > 2 * self._limits.processes + 16:
            return "processes"
        if count < self._limits.processes:
            self._saturated_since = None
        elif self._saturated_since is None:
            self._saturated_since = now
        elif now - self._saturated_since > SATURATED_SECONDS:
            return "processes"
        return ""


def _let_go(process: subprocess.Popen[bytes], words: bytes, group: cgroups.ControlGroup | None) -> None:
    """Put the waiting supervisor and what stands above it into its control group, then tell it what to run."""
    above = tree(process.pid)
    if group is not None:
        for each in above:
            group.add(each.pid)
    if above:  # none: it was ended meanwhile
        offer_to_oom_killer(above[-1].pid)
    pipe = cast("IO[bytes]", process.stdin)
    with suppress(BrokenPipeError, ValueError), pipe:  # ValueError: it was cancelled meanwhile, and the pipe closed
        pipe.write(words)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End all of it. Where there is a process namespace, its first process takes everything with it."""
    deadline = time.monotonic() + 1
    while len(tree(process.pid)) > 1 and time.monotonic() < deadline:
        kill_tree(process.pid)
    process.kill()
    process.wait()
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
