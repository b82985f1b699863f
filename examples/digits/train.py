"""Handwritten digits, 8 by 8 pixels, recognised by a small network."""

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HIDDEN = 32  # neurons; with 128 of them and 20 epochs the model gets better
EPOCHS = 8

keras.utils.set_random_seed(1)

digits = load_digits()
pixels = (digits.data / 16.0).astype("float32")
x_train, x_test, y_train, y_test = train_test_split(pixels, digits.target, test_size=0.2, random_state=7, stratify=digits.target)

model = keras.Sequential(
    [
        keras.Input((64,), name="pixels"),
        keras.layers.Dense(HIDDEN, activation="relu"),
        keras.layers.Dense(10, activation="softmax", name="digit"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=EPOCHS, batch_size=32, verbose=2)

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"accuracy on {len(x_test)} digits never seen: {accuracy:.4f}")

model.save("model.h5")
