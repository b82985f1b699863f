"""Can model.h5 itself be served? A fresh process opens it as a predictor will, and answers as the live model does.

What opens it lies in the folder `tensorflow_child` beside this file when a trainer starts the launcher.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .export import Exported, NotCompiled, max_difference, sampled
from .freeze import Array
from .interface import Interface
from .program import NotConverted, Tensor

START = Path(__file__).with_name("tensorflow_child") / "start.py"
MAX_BYTES = 1024 * 1024 * 1024
SECONDS = 300
KEPT = ("PATH", "LANG", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": "/dev/null/keras",
    "HDF5_PLUGIN_PATH": "/nonexistent",
}


def reloaded(
    path: Path,
    model: Any,  # noqa: ANN401 a Keras model
    interface: Interface,
    rows: Mapping[str, Array] | None,
    refusal: NotCompiled,
) -> Exported:
    """Raises NotCompiled with both reasons."""
    if not START.is_file():
        raise refusal
    sample, answers = sampled(model, interface, rows)
    try:
        with tempfile.TemporaryDirectory() as folder:
            said, got = _ask(path.resolve(), Path(folder), sample, [each.name for each in interface.inputs])
        return _compared(said, got, interface, answers)
    except NotConverted as complaint:
        sentence = f"{refusal.sentence}; and model.h5 cannot be served by TensorFlow either: {complaint}"
        raise NotCompiled("not_servable", sentence) from complaint


def _ask(path: Path, folder: Path, sample: Mapping[str, Array], order: list[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    numbered = {f"input_{number}": sample[name] for number, name in enumerate(order)}
    np.savez(folder / "inputs.npz", allow_pickle=False, **numbered)
    request = {"model": str(path), "max_bytes": MAX_BYTES, "limits": {}, "order": list(numbered)}
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | ENVIRONMENT  # noqa: TID251 where tools lie
    try:
        words = [sys.executable, "-I", "-B", str(START), "batch"]
        ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotConverted(f"it was not loaded within {SECONDS} s, or no process could be started: {error}") from error
    if ended.returncode or not (folder / "result.json").is_file():
        raise NotConverted(f"the process that loaded it ended with {ended.returncode}: {_last(ended.stderr)}")
    said = json.loads((folder / "result.json").read_bytes())
    if "reason" in said:
        raise NotConverted(str(said["sentence"]))
    with np.load(folder / "together.npz", allow_pickle=False) as arrays:
        return said, dict(arrays)


def _compared(said: Mapping[str, Any], got: Mapping[str, Array], interface: Interface, answers: Mapping[str, Array]) -> Exported:
    inputs, outputs = ([_tensor(each) for each in said[name]] for name in ("inputs", "outputs"))
    if len(inputs) != len(interface.inputs) or len(outputs) != len(answers):
        raise NotConverted("it has other inputs or outputs than the model that was saved")
    input_names = {own.name: each.name for own, each in zip(interface.inputs, inputs, strict=True)}
    output_names = {own: each.name for own, each in zip(answers, outputs, strict=True)}
    difference = max_difference({own: got[name] for own, name in output_names.items()}, answers)
    return Exported((), inputs, outputs, difference, input_names, output_names)


def _tensor(said: Mapping[str, Any]) -> Tensor:
    return Tensor(said["name"], said["dtype"], tuple(said["shape"]))


def _last(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
