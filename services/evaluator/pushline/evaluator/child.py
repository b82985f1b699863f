"""The limited child: `python -I -m pushline.evaluator.child`, in a folder with request.json and inputs.npz.

It imports what it needs, gives up what it can (memory, time, files, network), says `ready`, and only then opens the programs. Rows
are read, answered and written a few at a time. It never sees what the right answers are. Everything it writes is believed by nobody: limited_child.py reads it as a stranger's.
"""

import ctypes
import errno
import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pushline.engine import litert
from pushline.engine.engine import Engine, EngineError
from pushline.evaluator.arrays import ArrayFile, BadArrays, write_parts
from pushline.evaluator.landlock import confine

READY, RESULT = "ready", "result.json"
CHUNK_ROWS = 256
SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/sys/devices/system/cpu")
CLONE_NEWUSER, CLONE_NEWNET, PR_SET_NO_NEW_PRIVS = 0x10000000, 0x40000000, 38


def main() -> int:
    request = json.loads(Path("request.json").read_text(encoding="utf-8"))
    inputs = ArrayFile(Path("inputs.npz"), sys.maxsize)
    _give_up(request["limits"])
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


def _give_up(limits: Mapping[str, int]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)  # best effort: refused in some containers, and done already under bubblewrap
    python = (sys.prefix, sys.base_prefix, *filter(None, sys.path))
    confine([*SYSTEM, *python], [os.getcwd()])  # noqa: PTH109 - where there is no bubblewrap, this is what hides the machine's files
    for kind, name in (
        (resource.RLIMIT_AS, "memory_bytes"),
        (resource.RLIMIT_CPU, "cpu_seconds"),
        (resource.RLIMIT_FSIZE, "output_bytes"),
        (resource.RLIMIT_NOFILE, "files"),
        (resource.RLIMIT_CORE, "core_bytes"),
    ):
        resource.setrlimit(kind, (limits[name], limits[name]))


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
