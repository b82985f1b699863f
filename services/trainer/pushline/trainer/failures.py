"""Why a training came to no model: one reason for machines and one sentence for people. Pure."""

from dataclasses import dataclass

from pushline.runtime.operator_file import Limits
from pushline.trainer.launch_result import NAME, LaunchResult
from pushline.trainer.sandbox.box import Ended
from pushline.trainer.sandbox.enclosure import MAX_SCRATCH_FILES

MODEL = "model.h5"
MAX_SENTENCE = 4_000
LAST_LINES, MAX_LAST_LINES = 8, 1_500
OUT_OF_MEMORY = ("MemoryError", "bad_alloc", "ResourceExhaustedError", "Cannot allocate memory")
TELLS_BY_OUTPUT = ("script_failed",)


@dataclass(frozen=True, slots=True)
class Failure:
    reason: str
    sentence: str


def failure_of(ended: Ended, result: LaunchResult | None, limits: Limits, script: str) -> Failure | None:
    """Say why it failed; None where everything a success needs is there. `result` is None where there is none to be read."""
    stopped = stopped_by_limit(ended, limits, script)
    if stopped:
        return stopped
    if ended.exit_code == 0 and result is not None and result.succeeded:
        return _incomplete(ended, result)
    if ended.refused and (result is None or result.succeeded):
        return _refused(ended)
    return out_of_resources(ended, limits, script) or _told(ended, result, script)


def stopped_by_limit(ended: Ended, limits: Limits, script: str) -> Failure | None:
    """Say which limit ended it; None where it ended by itself. `script` is what the sentence begins with."""
    sentences = {
        "timeout": f"{script} was stopped: it did not end within {limits.timeout_seconds:g} s (timeout).",
        "memory": f"{script} was stopped: its processes used more than {_size(limits.memory_bytes)} of memory together.",
        "processes": f"{script} was stopped: it started more than {limits.processes} processes and threads.",
        "files": f"{script} was stopped: it made more than {MAX_SCRATCH_FILES:,} files and folders.",
        "pretended": f"{script} was stopped: it said that it had ended, and ran on.",
    }
    return Failure(ended.stopped, sentences[ended.stopped]) if ended.stopped in sentences else None


def out_of_resources(ended: Ended, limits: Limits, script: str) -> Failure | None:
    if ended.disk_full:
        space = f"the {_size(limits.disk_bytes)} of scratch space that it has for the repository and all it writes"
        return with_output("disk_full", f"{script} filled {space}.", ended)
    last = ended.tail.splitlines()[-3:]
    if ended.memory_refused or any(word in line for line in last for word in OUT_OF_MEMORY):
        return with_output(
            "memory", f"{script} needed more than the {_size(limits.memory_bytes)} of memory that it may use.", ended
        )
    return None


def _told(ended: Ended, result: LaunchResult | None, script: str) -> Failure:
    if result is not None and not result.succeeded:
        sentence = result.sentence or f"{script} failed."
        return (
            with_output(result.reason, sentence, ended)
            if result.reason in TELLS_BY_OUTPUT
            else Failure(result.reason, _cut(sentence))
        )
    return with_output("script_failed", f"{script} {_how(ended.exit_code)}.", ended)


def _how(code: int | None) -> str:
    if code is None:
        return "ended the process that watches over it"
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code} and without a result"


def _incomplete(ended: Ended, result: LaunchResult) -> Failure | None:
    if ended.refused:
        return _refused(ended)
    named = [MODEL, *(program.file for program in result.programs), *([result.dataset.file] if result.dataset else [])]
    missing = [name for name in named if name not in ended.files]
    if missing:
        return Failure("output_invalid", f"The training says it made {missing[0][:80]}, but there is no such file.")
    if (result.engine == "litert" and not result.programs) or not result.inputs or not result.outputs:
        return Failure("output_invalid", f"{NAME} names no serving program, no input or no output.")
    if ended.files[MODEL].size == 0:
        return Failure("not_a_model", f"{MODEL} is empty.")
    return None


def _refused(ended: Ended) -> Failure:
    name, why = min(ended.refused.items(), key=lambda pair: (pair[0] != MODEL, pair[0]))
    reason = "output_too_large" if "limit" in why else "output_invalid"
    return Failure(reason, f"{name} {why}.")


def with_output(reason: str, sentence: str, ended: Ended) -> Failure:
    """Leaves out the launcher's own last line, which says the sentence once more, and a traceback's underlining."""
    lines = [line.strip() for line in ended.tail.splitlines() if line.strip("~^ ") and not line.startswith(f"{reason}: ")]
    words = " | ".join(lines[-LAST_LINES:])[-MAX_LAST_LINES:]
    stem = sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
    return Failure(reason, _cut(f"{stem} Last lines of its output: {words}" if words else stem))


def _cut(sentence: str) -> str:
    return sentence[:MAX_SENTENCE]


def _size(count: int) -> str:
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} bytes"
