"""Opens model.h5 with TensorFlow, in a process of its own, by an interpreter that has it; imports nothing of Pushline.

start.py is started as a file, and serves one model to its parent (`serve`) or answers one file of rows (`batch`). preflight.py and
allowed.py look at a file before Keras does.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
START = FOLDER / "start.py"
