"""The training interpreter: where its files lie, and what is installed in it."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pushline.trainer.sandbox.box import SandboxUnavailable

QUESTION = """
import importlib.metadata as m, json, sys
print(json.dumps({"executable": sys.executable, "prefix": sys.prefix, "base": sys.base_prefix, "version": sys.version,
    "installed": sorted({f"{d.name}=={d.version}" for d in m.distributions()})}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    executable: Path
    folders: tuple[Path, ...]  # everything it is made of, to be shown read-only where it lies
    environment_sha256: str  # of its version and all that is installed


def look_at(python: Path) -> Interpreter:
    """Raises SandboxUnavailable: without a training interpreter nothing can be trained."""
    try:
        done = subprocess.run([str(python), "-I", "-c", QUESTION], capture_output=True, check=True, timeout=60, env={})
        facts = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxUnavailable(f"the training interpreter {python} does not run: {error}") from None
    executable = Path(facts["executable"])
    named = {Path(facts["prefix"]), Path(facts["base"]), executable.resolve().parent.parent}
    folders = named | {folder.resolve() for folder in named}
    text = json.dumps([facts["version"], facts["installed"]])
    return Interpreter(executable, tuple(sorted(folders)), hashlib.sha256(text.encode()).hexdigest())
