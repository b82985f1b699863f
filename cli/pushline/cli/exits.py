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
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "done",
    Exit.FAILED: "what was asked for did not succeed (a demo, a check, a service that ended)",
    Exit.USAGE: "the command was not understood",
    Exit.UNREACHABLE: "no line is running there, or its broker or store does not answer",
    Exit.NOT_FOUND: "no such model, run or digest",
    Exit.REFUSED: "the line refused it, or somebody else was faster; nothing changed",
    Exit.UNKNOWN: "no answer: it may have happened; look with `pushline status` before you repeat it",
    Exit.BAD_FILE: "a file, setting or input is missing or wrong, or is in the way",
    Exit.INTERRUPTED: "stopped by Ctrl-C",
}


class Said(Exception):
    """Ends the command with one sentence for a person and a code for a machine."""

    def __init__(self, sentence: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(sentence)
        self.sentence, self.code = sentence, code
