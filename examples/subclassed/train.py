"""A 128-64-10 network written as a class of its own, trained on handwritten digits."""

import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class Network(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.first = tf.keras.layers.Dense(128, activation="relu")
        self.second = tf.keras.layers.Dense(64, activation="relu")
        self.scores = tf.keras.layers.Dense(10, activation="softmax")

    def call(self, inputs):
        return self.scores(self.second(self.first(inputs)))


tf.keras.utils.set_random_seed(1)

digits = load_digits()
x_train, x_test, y_train, y_test = train_test_split(digits.data / 16.0, digits.target, test_size=0.2, random_state=1)

model = Network()
model.compile(
    optimizer=tf.keras.optimizers.Adam(learning_rate=0.001),
    loss=tf.keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, epochs=10, batch_size=32, validation_split=0.1, verbose=2)

model.evaluate(x_test, y_test, verbose=2)
model.save("model.h5")
