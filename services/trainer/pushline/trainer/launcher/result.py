"""result.json: how the training ended."""

import json
import platform
import sys
from pathlib import Path
from typing import Any

SCHEMA = 1
SENTENCE_CHARACTERS = 2_000
VERSIONED = ("tensorflow", "keras", "numpy", "h5py", "sklearn")


class Failed(Exception):
    """The run failed; `reason` is one of script_failed, no_model, not_a_model, non_finite_weights, not_servable, bad_dataset."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence


def failure(failed: Failed) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "outcome": "failed",
        "reason": failed.reason,
        "sentence": one_line(failed.sentence),
        "versions": versions(),
    }


def success(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 JSON
    return {"schema": SCHEMA, "outcome": "succeeded", "reason": "", "sentence": "", "versions": versions(), **fields}


def write(result: dict[str, Any], out: Path) -> None:
    half = out / "result.json.part"
    half.write_text(json.dumps(result, allow_nan=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    half.replace(out / "result.json")


def one_line(text: str) -> str:
    return " ".join(text.split())[:SENTENCE_CHARACTERS]


def what(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}")[:400]


def versions() -> dict[str, str]:
    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in VERSIONED}
    return {"python": platform.python_version()} | {name: str(version) for name, version in loaded.items() if version}
