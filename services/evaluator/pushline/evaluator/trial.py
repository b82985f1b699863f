"""The candidate in the production predictor: what it is asked, what its answers have to be, what they cost. Pure.

Golden requests are the same for the same set: rows one by one, and batches, as callers send them. Their answers are held against
the engine's own, which ran the whole set in large parts. LiteRT answers a row the same to the bit, however many come with it;
TensorFlow multiplies matrices of another size in another order, and differs by some units in the last places. Whatever a predictor
can do wrong (another model, outputs mixed up, numbers converted) is far more than either tolerance.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pushline.evaluator.arrays import Array, batches_of
from pushline.evaluator.ports import ProgramFile
from pushline.evaluator.verdict import NotJudgeable

SAMPLED, FIRST_ROWS = 64, 4096  # rows, spread over so many of the set: a large one need not be read to its end
SINGLY, BATCHES = 32, (8, 64)
MOST_BYTES = 32 * 2**20  # of one request: fewer rows of large inputs go into a batch
TOLERANCE = 1e-6  # times max(1, |answer|), as everywhere
ONE_ROW, MANY_ROWS = 1, 64  # of what is timed
MILLISECONDS = 1000.0

Arrays = Mapping[str, Array]


def sampled_rows(rows: int) -> Array:
    """Give indices of up to SAMPLED rows, from the first to the last one of the first FIRST_ROWS."""
    return np.unique(np.linspace(0, min(rows, FIRST_ROWS) - 1, min(SAMPLED, rows)).astype(np.int64))


def picked(arrays: Arrays, rows: Array) -> dict[str, Array]:
    """Give these rows, in ascending order, of each array; it is read as far as the last of them."""
    return {name: _picked(arrays, name, rows) for name in arrays}


def _picked(arrays: Arrays, name: str, rows: Array) -> Array:
    parts, begin = [], 0
    for batch in batches_of(arrays, name):
        parts.append(batch[rows[(rows >= begin) & (rows < begin + len(batch))] - begin])
        begin += len(batch)
        if begin > rows[-1]:
            break
    return np.concatenate(parts)


def golden_requests(sample: Arrays) -> tuple[slice, ...]:
    """Say which rows of the sample each request holds."""
    rows = _rows(sample)
    fitting = max(1, MOST_BYTES // bytes_a_row(sample))
    single = range(0, rows, max(1, rows // SINGLY))[:SINGLY]
    sizes = dict.fromkeys(min(size, rows, fitting) for size in BATCHES)
    return (*(slice(at, at + 1) for at in single), *(slice(0, size) for size in sizes if size > 1))


def timed_request(sample: Arrays, rows: int) -> Arrays | None:
    """Give a request of so many rows, those of the sample again where it has fewer; None where it would be too large to send."""
    if rows > 1 and rows * bytes_a_row(sample) > MOST_BYTES:
        return None
    return {name: np.ascontiguousarray(array[np.arange(rows) % len(array)]) for name, array in sample.items()}


def allowed(engine: str, against_keras: float) -> float:
    """Say how far answers may be apart; `against_keras` is what a program may differ from Keras by."""
    return TOLERANCE if engine == "litert" else max(TOLERANCE, against_keras)


def largest_difference(said: Arrays, engine: Arrays, rows: slice, tolerance: float = TOLERANCE) -> float:
    """Hold one answer against the engine's for the same rows. Raises NotJudgeable."""
    if set(said) != set(engine):
        raise _disagrees(f"it answers {', '.join(said)}, the engine {', '.join(engine)}")
    return max(_difference(name, said[name], engine[name], rows, tolerance) for name in engine)


def check_identity(digest: str, wanted: str) -> None:
    """Raises NotJudgeable."""
    if digest != wanted:
        raise _disagrees(f"it says that the model {digest[:64]!r} answers, not {wanted}")


def latencies(one: Sequence[float], many: Sequence[float]) -> dict[str, float]:
    """`one` and `many` are seconds of requests of ONE_ROW and MANY_ROWS rows, as a caller waits for them."""
    return {**dict(_quantiles("latency", one)), **dict(_quantiles(f"latency_{MANY_ROWS}", many))}


def program_bytes(programs: Sequence[ProgramFile]) -> float:
    return float(sum(program.path.stat().st_size for program in programs))


def bytes_a_row(sample: Arrays) -> int:
    return max(1, sum(array.nbytes for array in sample.values()) // _rows(sample))


def _difference(name: str, said: Array, engine: Array, rows: slice, tolerance: float) -> float:
    if said.shape != engine.shape or said.dtype != engine.dtype:
        theirs = f"{engine.dtype} of shape {engine.shape}"
        raise _disagrees(f"{name} is {said.dtype} of shape {said.shape}, the engine's {theirs}")
    a, b = said.astype(np.float64), engine.astype(np.float64)
    apart = np.abs(a - b)
    if not (apart <= tolerance * np.maximum(1, np.abs(b))).all():
        asked = f"{rows.stop - rows.start} rows at once" if rows.stop - rows.start > 1 else "a single row"
        largest = float(np.max(apart[np.isfinite(apart)], initial=0.0))
        raise _disagrees(f"asked for {asked}, {name} differs from the engine's by up to {largest:.3g}; allowed is {tolerance:g}")
    return float(apart.max(initial=0.0))


def _disagrees(why: str) -> NotJudgeable:
    return NotJudgeable("predictor_disagrees", f"the predictor does not answer what the engine answers: {why}")


def _quantiles(name: str, seconds: Sequence[float]) -> Iterator[tuple[str, float]]:
    if seconds:
        for share in (50, 99):
            yield f"{name}_p{share}_ms", MILLISECONDS * float(np.percentile(seconds, share, method="inverted_cdf"))


def _rows(sample: Arrays) -> int:
    return len(next(iter(sample.values())))
