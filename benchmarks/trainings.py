"""Training with the kit, and as the lab's script does it with plain Keras `fit`."""

from collections.abc import Callable
from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import CLASSES, PIXELS, Digits
from kit.training.callback import Callback, Epoch, FitState
from kit.training.fitting import fit
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
