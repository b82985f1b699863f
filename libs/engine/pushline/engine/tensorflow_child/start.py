"""Start here: `python -I start.py serve FD` or `python -I start.py batch`.

The modules beside this file get a package name of their own, so that sys.path is the interpreter's alone.
"""

import importlib.util
import sys
from pathlib import Path

PACKAGE = "pushline_tensorflow_child"


def load_package() -> None:
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is no package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    load_package()
    sys.exit(importlib.import_module(f"{PACKAGE}.main").main(sys.argv[1:]))
