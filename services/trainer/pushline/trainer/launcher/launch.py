"""Start here: `python -I launch.py --script train.py --out OUT`.

The modules beside this file get a package name of their own, so that sys.path is the script's alone and no module of the script is
mistaken for one of these.
"""

import importlib.util
import sys
from pathlib import Path

PACKAGE = "pushline_launcher"


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
    importlib.import_module(f"{PACKAGE}.main").main(sys.argv[1:])
