"""How far diabetes will have gone in a year, from ten measurements of a patient."""

import keras
from patients import MEASURED, patients

HIDDEN = 16  # neurons
EPOCHS = 30

keras.utils.set_random_seed(1)

(x_train, y_train), (x_test, y_test) = patients()

# Both scales are part of the model: callers send what was measured, and get the progress as the data has it (25 to 346).
measured_scale = keras.layers.Normalization()
measured_scale.adapt(x_train)
progress_scale = keras.layers.Rescaling(float(y_train.std()), offset=float(y_train.mean()), name="progress")

model = keras.Sequential(
    [
        keras.Input((len(MEASURED),), name="measured"),
        measured_scale,
        keras.layers.Dense(HIDDEN, activation="relu"),
        keras.layers.Dense(1),
        progress_scale,
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.003), loss="mse", metrics=["mae"])
model.fit(x_train, y_train, epochs=EPOCHS, batch_size=32, verbose=2)

loss, mae = model.evaluate(x_test, y_test, verbose=0)
print(f"off by {mae:.1f} on average for {len(x_test)} patients never seen")

model.save("model.h5")
