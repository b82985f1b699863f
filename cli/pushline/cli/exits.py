"""How the command ends: one exit code for each kind of ending, one sentence for each error."""

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    REFUSED = 5
    UNKNOWN = 6
    BAD_FILE = 7
    RUN_REJECTED = 10
    RUN_FAILED = 11
    RUN_SUPERSEDED = 12
    RUN_HELD = 13
    TIMED_OUT = 14
    RUN_REPLACED = 15
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "done; of `wait`, `push` and `rerun --wait`: the commit is live",
    Exit.FAILED: "what was asked for did not succeed (a demo, a check, a service that ended)",
    Exit.USAGE: "the command was not understood",
    Exit.UNREACHABLE: "no line is running there, or its broker or store does not answer",
    Exit.NOT_FOUND: "no such model, run or digest",
    Exit.REFUSED: "the line refused it, or somebody else was faster; nothing changed",
    Exit.UNKNOWN: "no answer: it may have happened; look with `pushline status` before you repeat it",
    Exit.BAD_FILE: "a file, setting or input is missing or wrong, or is in the way",
    Exit.RUN_REJECTED: "`wait`, `push`, `rerun --wait`: the run was rejected",
    Exit.RUN_FAILED: "likewise: the run failed",
    Exit.RUN_SUPERSEDED: "likewise: a newer commit took its place",
    Exit.RUN_HELD: "likewise: the run is accepted and rests, as the model is on hold",
    Exit.TIMED_OUT: "likewise: the time given was over first",
    Exit.RUN_REPLACED: "likewise: the run was deployed, and something else is live by now",
    Exit.INTERRUPTED: "stopped by Ctrl-C",
}


class Said(Exception):
    """Ends the command with one sentence for a person and a code for a machine."""

    def __init__(self, sentence: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(sentence)
        self.sentence, self.code = sentence, code
