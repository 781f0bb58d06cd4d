"""Training with the kit, and with plain Keras `fit`: the lab's script, and convolutions."""

from collections.abc import Callable
from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import CLASSES, PIXELS, SIDE, Digits
from kit.training.callback import Callback, Epoch, FitState
from kit.training.fitting import fit
from kit.training.networks import build_network
from kit.training.predictor import Predictor

# Called at the end of each epoch with a function from digits to float32 (n, 10) probabilities
EpochEnd = Callable[[Callable[[Digits], NDArray[np.float32]]], None]


class _AtEpochEnd(Callback):
    def __init__(self, predictor: Predictor, at_epoch_end: EpochEnd) -> None:
        self._predictor, self._at_epoch_end = predictor, at_epoch_end

    def on_epoch_end(self, epoch: Epoch, state: Callable[[], FitState]) -> None:  # noqa: ARG002
        self._at_epoch_end(self._predictor.predict)


def train_with_kit(
    digits: Digits,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    config: TrainConfig,
    at_epoch_end: EpochEnd,
) -> None:
    """Train on the first of `rows`, and validate on the second, which may be none."""
    predictor = Predictor.build(config)
    fit(predictor, digits, rows, config, _AtEpochEnd(predictor, at_epoch_end))


def train_with_keras(
    digits: Digits,
    config: TrainConfig,
    at_epoch_end: EpochEnd,
    jit_compile: bool | Literal["auto"] = "auto",
) -> None:
    """Train the base program's kind of network as its script does.

    Of `config` it uses what the script has: the share of the last rows that is held out, hidden
    layers with ReLU, batch size, epochs and seed.
    """
    keras.utils.set_random_seed(config.seed)
    network = keras.Sequential(
        [
            keras.Input((PIXELS,)),
            *(
                keras.layers.Dense(units, activation="relu", kernel_initializer="random_normal")
                for units in config.hidden
            ),
            keras.layers.Dense(CLASSES, activation="softmax", kernel_initializer="random_normal"),
        ]
    )
    network.compile(
        loss="categorical_crossentropy",
        optimizer="sgd",
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )

    def predict(asked: Digits) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = network.predict(asked.images, verbose=0)
        return probabilities

    network.fit(
        digits.images,
        keras.utils.to_categorical(digits.labels, CLASSES),
        batch_size=config.batch_size,
        epochs=config.epochs,
        validation_split=config.validation_fraction,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: at_epoch_end(predict))
        ],
    )


def train_convolutions_with_keras(
    digits: Digits,
    config: TrainConfig,
    at_epoch_end: Callable[[], None],
    *,
    compiled: bool,
    warped: bool,
) -> None:
    """Train the network of `config` as Keras's guides do, on TensorFlow.

    If `warped`, its random layers warp each batch in the `tf.data` pipeline, as far as the kit does
    without elastic displacements. Nothing is held out.
    """
    import tensorflow as tf

    network = build_network(config)
    network.compile(
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        ),
        optimizer=keras.optimizers.AdamW(config.learning_rate, config.weight_decay),
        metrics=["accuracy"],
        jit_compile=compiled,
    )
    answers = keras.utils.to_categorical(digits.labels, CLASSES)
    batches = tf.data.Dataset.from_tensor_slices((digits.images, answers))
    batches = batches.shuffle(len(digits)).batch(config.batch_size)
    if warped and config.augmentation is not None:
        given = config.augmentation
        warp = keras.Sequential(
            [
                keras.layers.Reshape((SIDE, SIDE, 1)),
                keras.layers.RandomRotation(given.rotation / 360),
                keras.layers.RandomZoom(given.scale, given.scale),
                keras.layers.RandomTranslation(given.shift / SIDE, given.shift / SIDE),
                keras.layers.Reshape((PIXELS,)),
            ]
        )
        batches = batches.map(
            lambda images, answer: (warp(images, training=True), answer), tf.data.AUTOTUNE
        )
    network.fit(
        batches.prefetch(tf.data.AUTOTUNE),
        shuffle=False,
        epochs=config.epochs,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: at_epoch_end())
        ],
    )
