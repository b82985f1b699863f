"""Writes the programs that benchmarks/serving.py serves, and the same models as model.h5. Run it with .venv/training/bin/python.

python benchmarks/programs.py FOLDER    mlp.tflite, mlp.h5, image.tflite
"""

import sys
from pathlib import Path

import keras

FOLDER = Path(sys.argv[1])
ROW, IMAGE = 784, (224, 224, 3)

keras.utils.set_random_seed(1)
mlp = keras.Sequential(
    [
        keras.Input((ROW,), name="x"),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax", name="y"),
    ]
)
pixels = keras.Input(IMAGE, name="x")
seen = keras.layers.Cropping2D(((0, 220), (0, 220)))(pixels)  # so that nearly all of a request's cost is that of its bytes
image = keras.Model(pixels, keras.layers.Dense(10, name="y")(keras.layers.Flatten()(seen)))
mlp.save(FOLDER / "mlp.h5")
for name, model in (("mlp", mlp), ("image", image)):
    model.export(FOLDER / f"{name}.tflite", format="litert", verbose=False)
