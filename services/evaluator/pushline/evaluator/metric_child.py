"""A repository's own metric: `python -I -m pushline.evaluator.metric_child`, in a folder with request.json and metrics.zip.

It reads labels and answers, gives up what it can, then the right to start anything, says `ready`, and only then imports the
repository's module. The number that it writes is the repository's word, and changes no other.
"""

import importlib
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

from pushline.evaluator import seccomp
from pushline.evaluator.arrays import Array, read_arrays
from pushline.evaluator.confinement import give_up, readable_here

READY, RESULT, BUNDLE = "ready", "result.json", "metrics.zip"
TRUTH, ANSWERS = "y", "a"


def main() -> int:
    request = json.loads(Path("request.json").read_text(encoding="utf-8"))
    given = Path(request["arrays"])
    arrays = read_arrays(given, sys.maxsize)
    give_up(request["limits"], [*readable_here(), str(given)], [os.getcwd()])  # noqa: PTH109
    seccomp.stay_alone()
    Path(READY).touch()
    sys.path.insert(0, str(Path(BUNDLE).resolve()))
    try:
        result = _called(request["function"], arrays)
    except BaseException as error:  # noqa: BLE001 - the repository's code may raise anything
        result = {"problem": " ".join(f"it raised {type(error).__name__}: {error}".split())[:500]}
    Path(RESULT).write_text(json.dumps(result), encoding="utf-8")
    return 0


def _called(words: str, arrays: dict[str, Array]) -> dict[str, Any]:
    module, _, name = words.removeprefix("python:").rpartition(":")
    function = getattr(importlib.import_module(module), name)
    said = function(_one_or_all(arrays, TRUTH), _one_or_all(arrays, ANSWERS))
    value = float(said)
    return {"value": value} if math.isfinite(value) else {"problem": f"it gave {value}, which is no finite number"}


def _one_or_all(arrays: dict[str, Array], stem: str) -> Any:  # noqa: ANN401 - an array, or several by name
    found = {name.partition(".")[2]: array for name, array in arrays.items() if name == stem or name.startswith(f"{stem}.")}
    return next(iter(found.values())) if len(found) == 1 else found


if __name__ == "__main__":
    sys.exit(main())
