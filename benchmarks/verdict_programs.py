"""Writes what benchmarks/verdict.py judges. Run it with .venv/training/bin/python.

python benchmarks/verdict_programs.py FOLDER ROWS    candidate.tflite, champion.tflite, dataset.npz, answers.npz

Two networks of 784 inputs learn ten overlapping clouds, one a little longer than the other.
"""

import sys
from pathlib import Path

import keras
import numpy as np

FOLDER, ROWS = Path(sys.argv[1]), int(sys.argv[2])
WIDTH, CLASSES, TRAINED, ANSWERED = 784, 10, 4_000, 2_000

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)
middles = 0.12 * random.normal(size=(CLASSES, WIDTH))
y = random.integers(0, CLASSES, TRAINED + ROWS)
x = (middles[y] + random.normal(size=(TRAINED + ROWS, WIDTH))).astype(np.float32)
for name, epochs in (("champion", 2), ("candidate", 3)):
    model = keras.Sequential(
        [
            keras.Input((WIDTH,), name="x"),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(CLASSES, activation="softmax", name="y"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x[:TRAINED], y[:TRAINED], epochs=epochs, verbose=0)
    model.export(FOLDER / f"{name}.tflite", format="litert", verbose=False)
np.savez(FOLDER / "dataset.npz", x=x[TRAINED:], y=y[TRAINED:])
np.savez(FOLDER / "answers.npz", output_0=model.predict(x[TRAINED : TRAINED + ANSWERED], verbose=0))
