"""The two ways to be used. Both import TensorFlow first and say so, so that whatever comes later is the file's doing.

serve SOCKET PIPE PARENT [ROWS ANSWERS]: say `ready` on the socket, be told to load a file, then answer.
batch: in a folder with request.json and inputs.npz, write `ready`, then together.npz and result.json.
"""

import importlib
import json
import resource
import socket
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import batches, limits
from .frames import BadFrame, Ended, receive, send
from .model import Failed, Model
from .preflight import Refused
from .shared import Array, ChildsMemory
from .texts import TEXT, shown

READY, RESULT = "ready", "result.json"
CHUNK_ROWS = 256


def main(words: Sequence[str]) -> int:
    limits.leave_the_network()
    if words[0] == "batch":
        return batch()
    return serve(*(int(word) for word in words[1:]))


def serve(descriptor: int, pipe: int, parent: int, *memory: int) -> int:
    limits.end_with_parent(parent)
    limits.end_when_closed(pipe)
    shared = ChildsMemory(*memory) if memory else None
    _import_tensorflow()
    with socket.socket(fileno=descriptor) as connection:
        connection.settimeout(None)
        try:
            send(connection, {"say": "ready"})
            _answer(connection, shared)
        except (Ended, BadFrame, OSError):
            return 0
    return 0


def _answer(connection: socket.socket, shared: ChildsMemory | None) -> None:
    """Until the other side closes."""
    request, _ = receive(connection, 0)
    limits.keep_to(request["limits"])
    try:
        model = Model(Path(request["path"]), request["max_bytes"])
    except (Refused, MemoryError) as error:
        send(connection, {"say": "refused", "sentence": str(error) or "needs more memory than it may have"})
        return
    send(connection, {"say": "loaded", "inputs": model.inputs, "outputs": model.outputs})
    while True:
        asked, inputs = receive(connection, sys.maxsize, shared=shared)
        try:
            answers = model.run(shown(asked["texts"], inputs))
        except (Failed, MemoryError) as error:
            send(connection, {"say": "failed", "sentence": str(error) or "it needs more memory than it may have"})
        else:
            send(connection, {"say": "answer"}, answers, shared)


def batch() -> int:
    request = json.loads(Path("request.json").read_text(encoding="utf-8"))
    _import_tensorflow()
    limits.keep_to(request["limits"])
    Path(READY).touch()
    try:
        result = _batch(request)
    except (Refused, Failed, batches.Uneven) as error:
        result = {"reason": "program_refused", "sentence": f"model.h5 {error}"}
    except MemoryError:
        result = {"reason": "program_out_of_memory", "sentence": "model.h5 needs more memory than it may have"}
    except OSError as error:
        result = {"reason": "program_too_large_answers", "sentence": f"the answers of model.h5 cannot be written: {error.strerror}"}
    Path(RESULT).write_text(json.dumps(result), encoding="utf-8")
    return 0


def _batch(request: dict[str, Any]) -> dict[str, Any]:
    begun = time.monotonic()
    model = Model(Path(request["model"]), request["max_bytes"])
    loaded = time.monotonic()
    with zipfile.ZipFile("inputs.npz") as archive:
        names = _named([member.removesuffix(".npy") for member in archive.namelist()], model, request.get("order"))
        batches.write("together.npz", (_answers(model, names, part) for part in batches.read(archive, CHUNK_ROWS)))
    return {
        "load_seconds": loaded - begun,
        "run_seconds": time.monotonic() - loaded,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "inputs": model.inputs,
        "outputs": model.outputs,
    }


def _named(given: list[str], model: Model, order: list[str] | None) -> dict[str, str]:
    """For each of the model's inputs the name that it comes under; `order` says so where they are others, and one is clear."""
    names = [each["name"] for each in model.inputs]
    if order is not None and len(order) == len(names):
        return dict(zip(names, order, strict=True))
    if len(given) == len(names) == 1:
        return {names[0]: given[0]}
    if set(given) != set(names):
        raise Refused(f"takes {', '.join(names)[:200]}, not {', '.join(given)[:200]}")
    return {name: name for name in names}


def _answers(model: Model, names: dict[str, str], part: dict[str, Array]) -> dict[str, Array]:
    return model.run({each["name"]: _typed(part[names[each["name"]]], each["dtype"]) for each in model.inputs})


def _typed(array: Array, dtype: str) -> Array:
    return array if dtype == TEXT else array.astype(dtype, copy=False)


def _import_tensorflow() -> None:
    importlib.import_module("tensorflow")
    importlib.import_module("keras")
    importlib.import_module("h5py")
