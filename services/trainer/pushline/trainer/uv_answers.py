"""What uv says when it cannot find what a repository asks for, as an outcome of the run. Pure."""

import re

from pushline.trainer.failures import Failure

NO_SOLUTION = "No solution found"
MAX_WORDS = 1_200
_TROUBLE = (
    "network connectivity was disabled",
    "lack of valid authentication",
    "error sending request",
    "Failed to fetch",
    "Failed to download",
    "Request failed after",
    "timed out",
    "dns error",
    "No space left on device",
)
_BUILDING = re.compile(r"([A-Za-z0-9._-]+(?:==[^\s]+)?) has no (?:usable )?wheels|Wheels are required for `([^`]+)`")
_NOWHERE = re.compile(r"([A-Za-z0-9._-]+) was not found in|[Tt]here (?:is|are) no versions? of ([A-Za-z0-9._-]+(?:==[^\s]+)?)")
_HASHES = re.compile(r"[Hh]ash mismatch for `([^`]+)`")


def failure_from(said: str, file: str) -> Failure | None:
    """Give the run's failure; None where the index or this machine is in trouble, which passes."""
    if hashes := _HASHES.search(said):
        return Failure("requirements_unresolvable", f"{file}: {hashes[1]} does not have the hash that is asked for.")
    solved = NO_SOLUTION not in said
    if any(word in said for word in (_TROUBLE if solved else _TROUBLE[:2])):
        return None
    because = _one_line(said)
    if building := _BUILDING.search(said):
        name = building[1] or building[2]
        sentence = f"{file}: {name} comes without a wheel for this Python and would have to be built, which is not done: {because}"
        return Failure("requirements_need_building", sentence)
    if not solved and not _NOWHERE.search(said):
        return Failure("requirements_conflict", f"{file} does not go with the training environment or with itself: {because}")
    missing = _NOWHERE.search(said)
    what = f"{missing[1] or missing[2]} is nowhere to be found" if missing else "it cannot be installed"
    return Failure("requirements_unresolvable", f"{file}: {what}: {because}")


def trouble(said: str) -> str:
    """Say in one line what the index or this machine has."""
    return _one_line(said)


def _one_line(said: str) -> str:
    told = said.partition(NO_SOLUTION)[2].partition("cause:")[2] or said.partition("error:")[2] or said
    words = " ".join(told.partition("hint:")[0].replace("cause:", ":").split())
    return words[:MAX_WORDS]
