"""The limited child: `python -I -m pushline.evaluator.child`, in a folder with request.json and inputs.npz.

It imports what it needs, gives up what it can (memory, time, files, network), says `ready`, and only then opens the programs. Rows
are read, answered and written a few at a time. It never sees what the right answers are. Everything it writes is believed by
nobody: limited_child.py reads it as a stranger's.
"""

import errno
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from pushline.engine import litert
from pushline.engine.engine import Engine, EngineError
from pushline.evaluator.arrays import ArrayFile, BadArrays, write_parts
from pushline.evaluator.confinement import give_up, readable_here

READY, RESULT = "ready", "result.json"
CHUNK_ROWS = 256


def main() -> int:
    request = json.loads(Path("request.json").read_text(encoding="utf-8"))
    inputs = ArrayFile(Path("inputs.npz"), sys.maxsize)
    give_up(request["limits"], readable_here(), [os.getcwd()])  # noqa: PTH109
    Path(READY).touch()
    try:
        result = _work([(Path(path), batch) for path, batch in request["programs"]], inputs)
    except (EngineError, BadArrays, MemoryError) as error:
        result = {"reason": _reason(error), "sentence": str(error)[:1000]}
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        result = {"reason": "program_too_large_answers", "sentence": "its answers are larger than allowed"}
    Path(RESULT).write_text(json.dumps(result), encoding="utf-8")
    return 0


def _reason(error: Exception) -> str:
    return "program_out_of_memory" if isinstance(error, MemoryError) else "program_refused"


def _work(programs: list[tuple[Path, int | None]], inputs: ArrayFile) -> dict[str, Any]:
    begun = time.monotonic()
    engine = litert.load(programs)
    engine.warm_up()
    loaded = time.monotonic()
    _answer(engine, inputs, Path("together.npz"))
    ended = time.monotonic()
    for at, program in enumerate(programs if len(programs) > 1 else []):
        _answer(litert.load([program]), inputs, Path(f"alone-{at}.npz"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"load_seconds": loaded - begun, "run_seconds": ended - loaded, "peak_memory_bytes": peak}


def _answer(engine: Engine, inputs: ArrayFile, to: Path) -> None:
    """Row by row out of one file into the other: neither inputs nor answers are held."""
    rows = inputs.header(next(iter(inputs))).rows
    write_parts(to, (engine.run(part) for part in inputs.side_by_side(CHUNK_ROWS)), rows)


if __name__ == "__main__":
    sys.exit(main())
