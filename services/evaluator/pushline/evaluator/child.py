"""The limited child: `python -I -m pushline.evaluator.child`, in a folder with request.json and inputs.npz.

It imports what it needs, gives up what it can (memory, time, files, network), says `ready`, and only then opens the programs. It
never sees what the right answers are. Everything it writes is believed by nobody: limited_child.py reads it as a stranger's.
"""

import errno
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from pushline.engine import litert
from pushline.engine.engine import Engine, EngineError
from pushline.evaluator.arrays import Array, read_arrays, write_arrays
from pushline.evaluator.confinement import give_up, readable_here

READY, RESULT = "ready", "result.json"
CHUNK_ROWS = 256

Arrays = dict[str, Array]


def main() -> int:
    request = json.loads(Path("request.json").read_text(encoding="utf-8"))
    inputs = read_arrays(Path("inputs.npz"), sys.maxsize)
    give_up(request["limits"], readable_here(), [os.getcwd()])  # noqa: PTH109
    Path(READY).touch()
    try:
        result = _work([(Path(path), batch) for path, batch in request["programs"]], inputs)
    except (EngineError, MemoryError) as error:
        result = {"reason": _reason(error), "sentence": str(error)[:1000]}
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        result = {"reason": "program_too_large_answers", "sentence": "its answers are larger than allowed"}
    Path(RESULT).write_text(json.dumps(result), encoding="utf-8")
    return 0


def _reason(error: Exception) -> str:
    return "program_out_of_memory" if isinstance(error, MemoryError) else "program_refused"


def _work(programs: list[tuple[Path, int | None]], inputs: Arrays) -> dict[str, Any]:
    begun = time.monotonic()
    engine = litert.load(programs)
    engine.warm_up()
    loaded = time.monotonic()
    write_arrays(Path("together.npz"), _run(engine, inputs))
    ended = time.monotonic()
    for at, program in enumerate(programs if len(programs) > 1 else []):
        write_arrays(Path(f"alone-{at}.npz"), _run(litert.load([program]), inputs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"load_seconds": loaded - begun, "run_seconds": ended - loaded, "peak_memory_bytes": peak}


def _run(engine: Engine, inputs: Arrays) -> Arrays:
    rows = len(next(iter(inputs.values())))
    parts = [engine.run({name: array[at : at + CHUNK_ROWS] for name, array in inputs.items()}) for at in range(0, rows, CHUNK_ROWS)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


if __name__ == "__main__":
    sys.exit(main())
