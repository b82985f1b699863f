"""Writes two models of 64 numbers and ten classes, as programs and as model.h5, and what tells the classes apart.

.venv/training/bin/python benchmarks/large_models.py FOLDER    candidate.tflite, candidate.h5, champion.tflite, classes.npy
"""

import sys
from pathlib import Path

import keras
import numpy as np

FOLDER = Path(sys.argv[1])
COLUMNS, CLASSES, ROWS = 64, 10, 40_000

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)
classes = random.normal(size=(COLUMNS, CLASSES)).astype(np.float32)
x = random.normal(size=(ROWS, COLUMNS)).astype(np.float32)
y = (x @ classes + random.normal(size=(ROWS, CLASSES))).argmax(axis=1)
np.save(FOLDER / "classes.npy", classes)
for name, epochs in (("champion", 1), ("candidate", 3)):
    model = keras.Sequential(
        [
            keras.Input((COLUMNS,), name="x"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(CLASSES, activation="softmax", name="y"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=epochs, verbose=0)
    model.save(FOLDER / f"{name}.h5")
    model.export(FOLDER / f"{name}.tflite", format="litert", verbose=False)
