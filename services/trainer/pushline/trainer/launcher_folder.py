"""The folder that a sandbox shows the launcher in: the launcher, and beside it what else Pushline has that runs in there.

That is what opens model.h5 as a predictor would, and what hashes rows as the evaluator does. Nothing of it is imported here.
"""

import shutil
from pathlib import Path

from pushline.engine.tensorflow_child import FOLDER

LAUNCHER = Path(__file__).with_name("launcher")
ROW_HASHES = FOLDER.with_name("row_hashes.py")


def assembled(folder: Path) -> Path:
    """Make it anew, whatever was there. Raises OSError."""
    shutil.rmtree(folder, ignore_errors=True)
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(LAUNCHER, folder, ignore=without)
    shutil.copytree(FOLDER, folder / FOLDER.name, ignore=without)
    shutil.copyfile(ROW_HASHES, folder / ROW_HASHES.name)
    return folder
