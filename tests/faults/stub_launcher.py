"""Stands in for TensorFlow: `sitecustomize` of an interpreter that does the launcher's work with files of the repository.

Real otherwise: a script in the real sandbox, started by the real supervisor, its files sent out through the real pipe.
"""

import json
import os
import runpy
import shutil
import sys
from pathlib import Path

FILES = ("model.h5", "program.tflite", "dataset.npz", "answers.npz")
ROWS = 300  # as repositories.py has it


def main(words: list[str]) -> None:
    out = Path(words[words.index("--out") + 1])
    runpy.run_path(words[words.index("--script") + 1], run_name="__main__")
    for name in FILES:
        shutil.copyfile(name, out / name)
    result = {
        "schema": 1,
        "outcome": "succeeded",
        "reason": "",
        "sentence": "",
        "inputs": [{"name": "x", "dtype": "float32", "shape": [None, 4]}],
        "outputs": [{"name": "output_0", "dtype": "float32", "shape": [None, 3]}],
        "programs": [{"file": "program.tflite", "batch": None}],
        "task": "classification",
        "dataset": {"file": "dataset.npz", "rows": ROWS, "taken_from": "evaluate"},
    }
    (out / "result.json").write_text(json.dumps(result))
    sys.stdout.flush()
    os._exit(0)


if any(word.endswith("launch.py") for word in sys.orig_argv):
    main(sys.orig_argv)
