"""Writes programs of one shape and different weights. Run it with .venv/training/bin/python.

python benchmarks/reloading/programs.py FOLDER COUNT UNITS …      0.tflite, 1.tflite, …: 784 numbers in, a dense layer of each size
"""

import sys
from pathlib import Path

import keras

folder, count, units = Path(sys.argv[1]), int(sys.argv[2]), [int(word) for word in sys.argv[3:]]
for number in range(count):
    keras.utils.set_random_seed(number + 1)
    layers = [keras.layers.Dense(size, activation="relu") for size in units[:-1]]
    model = keras.Sequential(
        [keras.Input((784,), name="x"), *layers, keras.layers.Dense(units[-1], activation="softmax", name="y")]
    )
    model.export(folder / f"{number}.tflite", format="litert", verbose=False)
