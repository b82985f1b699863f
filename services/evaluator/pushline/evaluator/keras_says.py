"""What model.h5 itself answers, which the serving program is held against: asked here where Keras can load it, else as told.

Keras is asked beside the candidate, in a limited child with TensorFlow, about every row of the set. Where it cannot load the file
(a class of the repository's own) or there is no TensorFlow here, the answers count that the trainer's launcher wrote down: on the
set where the sandbox had it, else on some rows that fit was given.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from pushline.evaluator.arrays import Array, BadArrays, read_arrays
from pushline.evaluator.ports import Answers, ProgramFailed, ProgramFile, Programs
from pushline.evaluator.verdict import NotJudgeable

MODEL, LAUNCHER, PROOF = "model.h5", "launcher", "launcher_proof"
MISSING = "Keras' own answers (answers.npz, or proof.npz) are missing, so nothing shows that the program agrees with model.h5"
MAX_PROOF_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Said:
    """What Keras says, and what the serving programs say to the same rows."""

    against: str  # model.h5 | launcher | launcher_proof
    keras: Mapping[str, Array]
    run: Answers
    note: str = ""  # why model.h5 was not asked


@dataclass(frozen=True, slots=True)
class Told:
    """The launcher's files: its answers to the set, or some rows with answers."""

    answers: Path | None
    proof: Path | None
    max_bytes: int


def by_model(run: Answers, asked: Future[Answers] | None) -> Said | str:
    """Give what Keras said; else why it did not, empty where it was not asked. Raises CannotRun, Cancelled, NotJudgeable."""
    if asked is None:
        return ""
    try:
        keras = _renamed(asked.result().together, run.together)
    except ProgramFailed as failure:
        return f"model.h5 itself could not be asked: {failure.sentence}"
    return Said(MODEL, keras, run)


def by_launcher(
    told: Told, run: Answers, programs: tuple[Programs, tuple[ProgramFile, ...]], note: str, cancelled: threading.Event
) -> Said:
    """Raises NotJudgeable, and what running the programs raises."""
    if told.answers is not None:
        return Said(LAUNCHER, _read(told.answers, told.max_bytes), run, note)
    if told.proof is None:
        raise NotJudgeable("no_answers", MISSING)
    arrays = _read(told.proof, MAX_PROOF_BYTES)
    inputs, keras = ({name[2:]: array for name, array in arrays.items() if name.startswith(stem)} for stem in ("x.", "y."))
    if not inputs or not keras or len({array.shape[:1] for array in arrays.values()}) != 1 or not _rows(arrays):
        raise NotJudgeable("no_answers", "Keras' own answers (proof.npz) do not hold rows of inputs and answers")
    runner, files = programs
    return Said(PROOF, keras, runner.run(files, inputs, cancelled), note)


def _rows(arrays: Mapping[str, Array]) -> int:
    first = next(iter(arrays.values()))
    return len(first) if first.ndim else 0


def _read(path: Path, max_bytes: int) -> dict[str, Array]:
    try:
        return read_arrays(path, max_bytes)
    except BadArrays as error:
        raise NotJudgeable("no_answers", f"Keras' own answers ({path.name}) cannot be read: {error}") from error


def _renamed(keras: Mapping[str, Array], said: Mapping[str, Array]) -> Mapping[str, Array]:
    """A single output may have another name in the file than in the program."""
    return {next(iter(said)): next(iter(keras.values()))} if len(keras) == len(said) == 1 else keras
