"""A repository's own tests, which come before its training: what is run, and what its end means. Pure."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from pushline.runtime.operator_file import Limits
from pushline.trainer import failures
from pushline.trainer.failures import Failure
from pushline.trainer.sandbox.box import Ended

FOLDER = "tests"
DEFAULT = ("python", "-m", "pytest", "-q")
NOTHING_COLLECTED = 5  # pytest's exit code
MAX_WORDS, MAX_WORD = 64, 4_000


@dataclass(frozen=True, slots=True)
class TestPlan:
    __test__ = False  # to pytest this is no test

    command: tuple[str, ...]  # empty: the default where there is a folder tests/
    timeout_seconds: float


def parse_command(text: str) -> tuple[str, ...]:
    """Read a command as a shell would split it; no shell runs. Raises ValueError with a sentence."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"is no command: {error}") from None
    return check_command(words)


def check_command(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or not words[0] or len(words) > MAX_WORDS or any(len(word) > MAX_WORD or "\0" in word for word in words):
        raise ValueError(f"is no command of 1 to {MAX_WORDS} words")
    return words


def command_of(plan: TestPlan, folder: Path) -> tuple[str, ...]:
    """Give what is to be run; nothing where the repository has no tests."""
    default = DEFAULT if (folder / FOLDER).is_dir() else ()
    return plan.command or default


def failure_of(ended: Ended, command: tuple[str, ...], limits: Limits) -> Failure | None:
    """Say why the tests stop the run; None where they passed, were cancelled, or there were none."""
    words = shlex.join(command)
    name = f"The test command ({words[:100]})"
    if ended.stopped == "timeout":
        sentence = f"The tests did not end within {limits.timeout_seconds:g} s ({words[:100]})."
        return failures.with_output("tests_timeout", sentence, ended)
    if found := failures.stopped_by_limit(ended, limits, name) or failures.out_of_resources(ended, limits, name):
        return replace(found, reason=f"tests_{found.reason}")
    if ended.exit_code == 0 or ended.stopped == "cancelled" or is_empty(ended, command):
        return None
    return failures.with_output("tests_failed", f"The tests failed: {words[:100]} {_how(ended.exit_code)}.", ended)


def is_empty(ended: Ended, command: tuple[str, ...]) -> bool:
    """Say whether pytest found no test."""
    return ended.exit_code == NOTHING_COLLECTED and any(Path(word).name in ("pytest", "py.test") for word in command)


def _how(code: int | None) -> str:
    if code is None:
        return "ended the process that watches over it"
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
