"""Training with the kit and with a plain Keras `fit` script, watched at each epoch's end."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import CLASSES, PIXELS, Digits
from kit.training.fit import fit
from kit.training.networks import build_network
from kit.training.normalization import normalise_digits

# Told the network that learns
EpochEnd = Callable[[Any], None]


def train_with_kit(
    digits: Digits,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    config: TrainConfig,
    at_epoch_end: EpochEnd,
) -> keras.Model:
    """Normalise, train on the first of `rows`, validate on the second; return the network."""
    network = build_network(config)

    def report(_epoch: int, share: float, _figures: dict[str, float]) -> None:
        if share >= 1:
            at_epoch_end(network)

    with tempfile.TemporaryDirectory() as folder:
        learned = normalise_digits(digits, config.normalization)
        fit(network, learned, rows, config, Path(folder) / "state.npz", report)
    return network


def train_with_keras(
    digits: Digits,
    config: TrainConfig,
    at_epoch_end: EpochEnd,
    jit_compile: bool | Literal["auto"] = "auto",
) -> keras.Model:
    """Train the base program's kind of network as its script would, and return the network.

    Of `config` only what that script has is taken: the last rows held out, hidden layers with ReLU,
    batch size, epochs and seed.
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
    network.fit(
        digits.images,
        keras.utils.to_categorical(digits.labels, CLASSES),
        batch_size=config.batch_size,
        epochs=config.epochs,
        validation_split=config.validation_fraction,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: at_epoch_end(network))
        ],
    )
    return network
